"""A plugin with one component a kind. Light.

Each is right as it stands and wrong in one way where its option `fault` says so.
"""

from dataclasses import dataclass, field

import burnish

BURNISH_API = 1


@dataclass(frozen=True)
class Config:
    fault: str = field(default="", metadata={"help": "what is wrong with it"})
    size: int = field(default=0, metadata={"help": "changes nothing but the fingerprint"})


@dataclass(frozen=True)
class NoiseConfig(Config):
    rate: float = field(default=0.3, metadata={"help": "share of wrong labels", "range": (0, 1)})


@dataclass(frozen=True)
class TrainedConfig(burnish.HeadConfig):
    fault: str = field(default="", metadata={"help": "what is wrong with it"})


def provides(config):
    if config.fault == "heavy provides":
        __import__("numpy")
    return {"features", "labels"} | ({"groups"} if config.fault == "claims groups" else set())


def fingerprint(config):
    if config.fault == "heavy fingerprint":
        __import__("numpy")
    if config.fault == "random fingerprint":
        import os

        return os.urandom(4).hex()
    return (
        "the same for all options" if config.fault == "deaf fingerprint" else f"{config.fault} {config.size}"
    )


@burnish.hookimpl
def burnish_losses():
    return [burnish.Loss(name="loss", target="faulty_targets:Loss", config=Config, summary="A loss")]


@burnish.hookimpl
def burnish_tuners():
    needs = {"features"}
    return [
        burnish.Tuner(
            name="means",
            target="faulty_targets:Means",
            config=Config,
            needs=needs,
            provides={"own-loss"},
            summary="Class means",
        ),
        burnish.Tuner(
            name="inside",
            target="faulty_targets:Inside",
            config=Config,
            needs={"image", "module"},
            provides={"own-loss"},
            summary="In a backbone",
        ),
        burnish.Tuner(
            name="trained",
            target="faulty_targets:Trained",
            config=TrainedConfig,
            needs=needs,
            summary="A linear head",
        ),
    ]


@burnish.hookimpl
def burnish_noise_models():
    return [
        burnish.NoiseModel(
            name="noise",
            corrupt="faulty_targets:Flip",
            corrupt_config=NoiseConfig,
            assess="faulty_targets:Judge",
            assess_config=Config,
            summary="Flips",
        )
    ]


@burnish.hookimpl
def burnish_evaluators():
    return [
        burnish.Evaluator(
            name="right",
            target="faulty_targets:Right",
            config=Config,
            needs={"truth"},
            measures=["right"],
            summary="Share of right answers",
        )
    ]


@burnish.hookimpl
def burnish_summaries():
    return [
        burnish.Summary(name="best", target="faulty_targets:Best", config=Config, summary="The best tuner")
    ]


@burnish.hookimpl
def burnish_backbones():
    return [
        burnish.Backbone(
            name="project",
            target="faulty_targets:Project",
            config=Config,
            fingerprint="faulty:fingerprint",
            needs={"features"},
            provides={"features"},
            summary="A projection",
        )
    ]


@burnish.hookimpl
def burnish_sources():
    return [
        burnish.Source(
            name="rows",
            target="faulty_targets:Made",
            config=Config,
            fingerprint="faulty:fingerprint",
            provides="faulty:provides",
            summary="Rows",
        )
    ]
