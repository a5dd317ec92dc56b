"""The methods that draw tickets, one a file: their names, their variants, their options. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickets.registry import Member, Registry
from tickets.scorers import SCORERS
from tickets.traits import Traits, based_on

if TYPE_CHECKING:
    from tickets.drawers.base import Drawer

SEARCHED = "supertickets/search_only"


def _supertickets(searches: bool = True, prunes: bool = True, **options: Any) -> Member:
    return Member("tickets.drawers.supertickets:SuperTickets", options, Traits(searches=searches, prunes=prunes))


SEARCHED_AS_RELEASED = {
    "semantics": "reparam",
    "after_prune": "keep",
    "on_shrink": "reset",
    "joint": True,
    "last": 1.0,
    "penalty_stays": True,
    "shrink_interval": 10 / 350,
    "trigger": "averaged",
    "average_from": 1,
}
"""How the released code of SuperTickets searches and prunes; the scale `paper` sets what differs between its tasks."""


def _pruned_once(base: str, scorer: str, **more: Any) -> Member:
    options = {"base": base, "scorer": scorer, **more}
    return Member("tickets.drawers.prune_once:PruneOnce", options, Traits(based_on(base), searches=base == SEARCHED))


def _adapted(**options: Any) -> Member:
    return Member("tickets.drawers.netadaptv2:NetAdaptV2", options, Traits(searches=True, prunes=False))


def _mask_trained(**options: Any) -> Member:
    return Member("tickets.drawers.tamt:TaskAgnosticMasks", options, Traits(based_on("dense")))


def _rewound(target: str, **options: Any) -> Member:
    return Member(f"tickets.drawers.{target}", options, Traits(rewinds=True))


def _dynamic(**options: Any) -> Member:
    return Member("tickets.drawers.dynamic:Dynamic", options, Traits())


def _free(target: str, **options: Any) -> Member:
    return Member(f"tickets.drawers.free_tickets:{target}", options, Traits(draws_sets=True))


RELEASED = {"fraction": 0.5, "law": "constant", "stop": 1.0, "moments": "keep", "rule": "released"}
"""How the released code of FreeTickets exchanges weights."""


def _transformed(**options: Any) -> Member:
    return Member("tickets.drawers.rst:RandomSparseTransformation", options, Traits())


def _early_time(target: str, **options: Any) -> Member:
    return Member(f"tickets.drawers.early_time:{target}", options, Traits(rewinds=True, lowers_timesteps=True))


AT_TIME = {
    "images": 1000,
    "reference": "full",
    "scale": "largest",
    "statistics": "moved",
    "divide": "full",
    "bn": "step",
    "shown": "drawn",
}
"""How the released code of early-time tickets probes and goes on."""


DRAWERS: Registry[Drawer] = Registry(
    "drawer",
    {
        "supertickets": _supertickets(),
        "supertickets/as_released": Member(
            "tickets.drawers.supertickets:AsReleased", SEARCHED_AS_RELEASED, Traits(searches=True)
        ),
        "supertickets/one_shot": _supertickets(progressive=False),
        "supertickets/no_reactivation": _supertickets(after_prune="keep"),
        "supertickets/prune_only": _supertickets(search=False, searches=False),
        "supertickets/search_only": _supertickets(prune=False, prunes=False),
        **{f"stp/{scorer}": _pruned_once(SEARCHED, scorer) for scorer in SCORERS.builtin},
        "netadaptv2": _adapted(),
        "netadaptv2/single_layer": _adapted(layers=1),
        "netadaptv2/per_batch": _adapted(per_image=False),
        "netadaptv2/no_bypass": _adapted(bypass=False),
        "architecture/random": _adapted(iterations=1, samples=1, layers=0),
        "omp": _pruned_once("dense", "magnitude"),
        "wanda": _pruned_once("dense", "wanda", allocation="row"),
        "obc": Member("tickets.drawers.obc:OptimalCompression", {"allocation": "uniform"}, Traits(based_on("dense"))),
        "gmp": Member("tickets.drawers.gmp:GradualMagnitude", traits=Traits()),
        "imp": _rewound("imp:IterativeMagnitude"),
        "imp/many_rounds": _rewound("imp:IterativeMagnitude", rate=0.2, share=1.0),
        "imp_pretrained": _rewound("imp_pretrained:PretrainedIterativeMagnitude"),
        "early_bird": _rewound("early_bird:EarlyBird"),
        "early_time": _early_time("EarlyTimeRewinding"),
        "early_time/early_bird": _early_time("EarlyTimeBird"),
        "early_time/as_released": _early_time("EarlyTimeRewinding", **AT_TIME),
        "static": _dynamic(grow="none"),
        "set": _dynamic(grow="random", law="constant"),
        "rigl": _dynamic(),
        "dst": _free("DST"),
        "dst/as_released": _free("DST", **RELEASED),
        "edst": _free("EDST"),
        "edst/as_released": _free("EDST", **RELEASED),
        "acdc": Member("tickets.drawers.acdc:AlternatingCompression", traits=Traits()),
        "rst": _transformed(),
        "rst/iterative": _transformed(cycles=5),
        "rst/as_released": _transformed(select="magnitude", penalty="gradient", strength=1.0),
        "tamt": _mask_trained(),
        "tamt/kd": _mask_trained(objective="kd"),
        "tamt/both": _mask_trained(objective="both"),
        "tamt/as_released": _mask_trained(reset=0.06),
        "edge_popup": Member("tickets.drawers.edge_popup:EdgePopup", traits=Traits()),
        "dense": Member("tickets.drawers.dense:Dense", traits=Traits(prunes=False)),
        "pretrained": Member("tickets.drawers.pretrained:Pretrained", traits=Traits(prunes=False, needs_weights=True)),
        "adopted": Member("tickets.drawers.adopted:Adopted", traits=Traits(needs_file=True)),
        "dense/ensemble": Member(
            "tickets.drawers.ensemble:DenseEnsemble", traits=Traits(prunes=False, draws_sets=True)
        ),
    },
    "ticketbench.drawers",
    "tickets.drawers.base:Drawer",
    "imp@rounds=5",
)
