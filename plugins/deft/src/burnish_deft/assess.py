"""The assessor `deft`."""

from __future__ import annotations

from burnish.contracts.noise import Assessment, Evidence
from burnish_deft import DeFTConfig
from burnish_deft.detector import PROMPTS, Detector
from burnish_deft.items import judged, task_of
from burnish_deft.prompted import prompting

_WHERE = "assess deft"


class DeFT:
    """Trains the detector on the labelled training items and says which of them have a wrong label.

    The assessment covers these items: `keep` is the selection for phase two, `clean_probability` is p_yes of
    the label.
    """

    def __init__(self, config: DeFTConfig) -> None:
        self.config = config

    def assess(self, evidence: Evidence) -> Assessment:
        """Return the assessment, with the course of the training as the table ``deft``.

        Raises:
            burnish.errors.DataError: there is no task, the targets are no labels, the data has one class, or
                classes have no names or too long ones.
            burnish.errors.FitError: no label is known, or all are of one class; the image tower takes no
                prompts; or the training broke off.
        """
        task = task_of(evidence, _WHERE)
        items = judged(task, _WHERE)
        with prompting(task, items, self.config, PROMPTS, _WHERE) as prompted:
            detector = Detector(task, items, self.config, prompted)
            detector.run()
        return Assessment(
            items.index, detector.clean_probability(), detector.keep(), tables={"deft": detector.table()}
        )
