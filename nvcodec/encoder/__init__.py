"""Everything that only an encoder needs: fitting, rate control, packing."""
