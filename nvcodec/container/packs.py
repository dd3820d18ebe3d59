"""pACK payload: the enhancement of one segment by one layer, and the ids that tie a layer to what it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from nvcodec.container.segments import INTEGER_DIGEST_BYTES
from nvcodec.container.wire import Reader, prefixed, varint
from nvcodec.errors import BitstreamError

LAYER_ID_BYTES = 16
MAX_PACK_CONFIG_BYTES = 4096


@dataclass(frozen=True)
class PackSegment:
    """One enhancement layer of one segment."""

    segment: int
    """Position of the BASE chunk among all BASE chunks."""
    layer: int
    """At least 1."""
    parent: bytes
    """Id of the layer below: that of the base for layer 1."""
    model_id: int
    """A PackModelId, or a number only later versions know."""
    config: bytes
    """Configuration of the pack's network, opaque here, at most 4,096 bytes."""
    integers: bytes
    """First 16 bytes of the SHA-256 of the decoded integers."""
    psnr_mdb: int
    """PSNR of the segment with this layer as the encoder measured it, in 1/1000 dB: 6:1:1 over Y, U and V, in the
    domain ``rgb`` over R, G and B. 0: unknown."""
    payload: bytes
    """Coded parameters, opaque here."""

    @property
    def id(self) -> bytes:
        """What a layer above names as its parent. It covers the parent's id, so that it stands for all layers below."""
        return sha256(self.to_bytes()).digest()[:LAYER_ID_BYTES]

    def to_bytes(self) -> bytes:
        """Code the pack as a pACK payload."""
        assert len(self.parent) == LAYER_ID_BYTES and len(self.integers) == INTEGER_DIGEST_BYTES
        assert self.layer >= 1 and len(self.config) <= MAX_PACK_CONFIG_BYTES
        place = varint(self.segment) + varint(self.layer) + self.parent
        model = varint(self.model_id) + prefixed(self.config)
        return place + model + self.integers + varint(self.psnr_mdb) + self.payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> PackSegment:
        """Read a pACK payload.

        Raises:
            BitstreamError: A field is missing or out of its range.
        """
        reader = Reader(payload)
        segment, layer = reader.varint("segment"), reader.varint("layer")
        if layer == 0:
            raise BitstreamError("says that it is layer 0, which is the base")
        return cls(
            segment=segment,
            layer=layer,
            parent=reader.take(LAYER_ID_BYTES, "id of the layer below"),
            model_id=reader.varint("pack model id"),
            config=reader.prefixed(MAX_PACK_CONFIG_BYTES, "pack configuration"),
            integers=reader.take(INTEGER_DIGEST_BYTES, "digest of the integers"),
            psnr_mdb=reader.varint("PSNR"),
            payload=reader.rest(),
        )


def base_id(header_payload: bytes, base_payload: bytes) -> bytes:
    """Id of the base of one segment, which its first layer names as parent.

    Args:
        header_payload: That of HEAD.
        base_payload: That of the segment's BASE chunk.
    """
    return sha256(prefixed(header_payload) + prefixed(base_payload)).digest()[:LAYER_ID_BYTES]
