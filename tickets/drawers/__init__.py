"""The methods that draw tickets, one a file: their names, their variants, their options. Imports no torch.

A drawer is named by its registered name, with options behind it where the defaults are not meant, as in
"imp@rounds=5" or "omp@allocation=erk@scorer=snip".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from tickets.errors import UserError, unknown
from tickets.registry import Registry
from tickets.traits import Traits

if TYPE_CHECKING:
    from tickets.drawer import Drawer

SCORERS = ("magnitude", "random", "snip", "grasp", "synflow")
SEARCHED = "supertickets/search_only"


TRAINS_ITSELF = Traits()


@dataclass(frozen=True)
class Method:
    """A built-in drawer: a class, the options that make it this variant, and its traits."""

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    traits: Traits = TRAINS_ITSELF


def _supertickets(searches: bool = True, prunes: bool = True, **options: Any) -> Method:
    traits = Traits(searches=searches, prunes=prunes)
    return Method("tickets.drawers.supertickets:SuperTickets", options, traits)


def _pruned_once(base: str, scorer: str) -> Method:
    options = {"base": base, "scorer": scorer}
    return Method("tickets.drawers.prune_once:PruneOnce", options, Traits(base, searches=base == SEARCHED))


def _rewound(target: str, **options: Any) -> Method:
    return Method(f"tickets.drawers.{target}", options, Traits(rewinds=True))


METHODS: dict[str, Method] = {
    "supertickets": _supertickets(),
    "supertickets/as_released": _supertickets(
        semantics="reparam", after_prune="keep", on_shrink="reset", joint=True, last=1.0, penalty_stays=True
    ),
    "supertickets/one_shot": _supertickets(progressive=False),
    "supertickets/no_reactivation": _supertickets(after_prune="keep"),
    "supertickets/prune_only": _supertickets(search=False, searches=False),
    "supertickets/search_only": _supertickets(prune=False, prunes=False),
    **{f"stp/{scorer}": _pruned_once(SEARCHED, scorer) for scorer in SCORERS},
    "omp": _pruned_once("dense", "magnitude"),
    "gmp": Method("tickets.drawers.gmp:GradualMagnitude"),
    "imp": _rewound("imp:IterativeMagnitude"),
    "imp/many_rounds": _rewound("imp:IterativeMagnitude", rate=0.2, share=1.0),
    "imp_pretrained": _rewound("imp_pretrained:PretrainedIterativeMagnitude"),
    "dense": Method("tickets.drawers.dense:Dense", traits=Traits(prunes=False)),
}

DRAWERS = Registry("drawer", {name: method.target for name, method in METHODS.items()}, "ticketbench.drawers")


def names() -> list[str]:
    """Every drawer there is, plug-ins last."""
    return list(DRAWERS.targets)


def resolve(name: str) -> str:
    """A drawer's full name, its options sorted.

    Raises:
        UserError: there is no such drawer, or it has no such option, or the option's value is not allowed.
    """
    member, options = _split(name)
    member = DRAWERS.resolve(member)
    if options:
        _configured(member, options)
    return "@".join([member, *(f"{key}={value}" for key, value in sorted(options.items()))])


def make(name: str, **recipe: Any) -> Drawer:
    """The drawer of a name.

    Args:
        name: as `resolve` takes it.
        recipe: options that it has unless the name says otherwise, where it knows them and they are not None.

    Raises:
        UserError: as `resolve`, or a plug-in that cannot be imported.
    """
    member, options = _split(name)
    member = DRAWERS.resolve(member)
    known = {f.name for f in fields(DRAWERS.load(member))}
    useful = {key: value for key, value in recipe.items() if value is not None and key in known}
    return _configured(member, {**useful, **options})


def traits(name: str) -> Traits:
    """What planning must know of a drawer; imports it only where it is a plug-in or has options."""
    return METHODS[name].traits if name in METHODS else make(name).traits


def _split(name: str) -> tuple[str, dict[str, str]]:
    member, *options = name.split("@")
    pairs = [option.partition("=") for option in options]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise UserError(f"'{name}' is no drawer with options; write name@option=value, as in imp@rounds=5.")
    return member, {key: value for key, _, value in pairs}


def _configured(member: str, options: Mapping[str, str]) -> Drawer:
    from pydantic import TypeAdapter, ValidationError

    drawer = DRAWERS.load(member)
    known = [f.name for f in fields(drawer)]
    for key in options:
        if key not in known:
            raise unknown(f"option of the drawer {member}", key, known)
    try:
        given = METHODS[member].options if member in METHODS else {}
        return TypeAdapter(drawer).validate_python({**given, **options})
    except ValidationError as error:
        first = error.errors()[0]
        where = f", option {first['loc'][0]}" if first["loc"] else ""
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise UserError(f"drawer {member}{where}: {said}; got {dict(options)}.") from error
