"""Evaluating a chunk of points: pure, and vectorised where nothing can happen (contract lumetry 4.3, 8.2, 8.3).

The way of a chunk: `survey` finds the series on which something can happen, `sight` tells late and repeated points, `draw` gives each
point of a learned series its limits, and `evaluate` walks what must be walked. Between these steps whoever evaluates reads what they need.
"""

import numpy as np

from lumetry_core.evaluation.bands import Drawn
from lumetry_core.evaluation.effects import Effects
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Chunk, Disposition, Sights, Survey
from lumetry_core.evaluation.walk import Walk


def evaluate(state: EvaluationState, chunk: Chunk, surveyed: Survey, sights: Sights, drawn: Drawn | None) -> Effects:
    """Evaluates a chunk without changing the state.

    Args:
        surveyed: What `survey` said of the chunk, and `draw` after it.
        sights: What `sight` said of all slots that are walked.
        drawn: The limits of points of learned series; None when the chunk has no such point.
    """
    dispositions = np.where(state.is_ruled[chunk.rows], np.uint8(Disposition.EVALUATED), np.uint8(Disposition.NO_RULE))
    effects = Effects(
        outcomes=np.zeros(0, np.uint8),
        rows=chunk.rows[surveyed.order],
        times=chunk.times[surveyed.order],
        unordered=surveyed.walked if surveyed.walked.any() else None,
        ambiguous=set(sights.ambiguous),
        learnable=drawn.learnable if drawn else [],
    )
    if effects.unordered is not None:
        dispositions[sights.repeated] = Disposition.DUPLICATE
        walk = Walk(state, drawn, effects, dispositions)
        for slot, sightings in sights.of_slot.items():
            walk.take_member(slot, sightings)
        walk.finish()
    if state.overflowing:
        note_overflow(state, chunk, effects)
    effects.outcomes = np.maximum.reduceat(dispositions, chunk.job_starts)
    return effects


def note_overflow(state: EvaluationState, chunk: Chunk, effects: Effects) -> None:
    """Names the metrics that have points of members beyond the limit."""
    is_overflowing = np.zeros(len(state.member_of_slot), np.bool_)
    is_overflowing[list(state.overflowing)] = True
    slots = state.slot[chunk.rows]
    for slot in np.unique(slots[is_overflowing[slots]]).tolist():
        effects.overflowing.add(state.member_of_slot[slot][0])
