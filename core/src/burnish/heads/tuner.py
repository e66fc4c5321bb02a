"""TEMP."""

from burnish.heads.head import HeadTuner


def trains_in_stacks(tuner: object) -> bool:
    return isinstance(tuner, HeadTuner) and type(tuner).fit is HeadTuner.fit
