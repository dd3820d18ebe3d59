"""The state of an archive's fit: that of any fit, and what was chosen before it began."""

from __future__ import annotations

import numpy as np

from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.parts.key_coder import CodedKeys, KeyFrameCoder
from nvcodec.encoder.resume import fit_state
from nvcodec.encoder.resume.checkpoint import State
from nvcodec.models.dnerv_config import DNeRVConfig


def save(fit: Fit, keys: CodedKeys, network: DNeRVConfig) -> State:
    """Everything needed to continue the fit of an archive as if it had never stopped."""
    config = np.frombuffer(network.to_bytes(), np.uint8)
    return {**fit_state.save(fit), "network": config, "crf": np.int64(keys.crf)}


def chosen(state: State, coder: KeyFrameCoder) -> tuple[CodedKeys, DNeRVConfig]:
    """Key frames and network of :func:`save`.

    Raises:
        InputError: The state is that of another kind of encode.
    """
    with fit_state.matching():
        network = DNeRVConfig.from_bytes(state["network"].tobytes())
        crf = int(state["crf"])
    return coder.at(crf, network.clip), network
