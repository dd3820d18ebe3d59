"""Numbers to integers and back: tensor specifications, quantiser steps, dequantisation."""
