"""Which targets a call is tried at, and in which order: the ``Chooser`` of the router."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast

from adapters.port import Features
from agentos.contracts.base import Fault
from agentos.contracts.events.call import CallDecided
from agentos.contracts.model import Cost, ModelRequest, TextPart, Usage, estimated_input_tokens
from agentos.contracts.routing import ModelCandidate, ModelRouting, Ordering
from services.router.choosing import Patience, Plan, Target, Turn
from services.router.configuration import Alias, Configuration, Hedge, ModelSettings
from services.router.domain.candidates import Ability, Needs, Verdict, judge, needs_of
from services.router.domain.ordering import Standing, order
from services.router.prices.overrides import OwnPrice
from services.router.turns import Turns

STICKY_FOR = timedelta(minutes=5)
"""As long as providers keep a prefix in their cache after its last use."""
REMEMBERED = 50_000
"""Prefixes."""
_PREFIX_CHARS = 4_096
_UNREADABLE = Fault(
    code="no_provider", message="policy obliges to certain models but lists none: `models` is a list of targets, best first"
)


class Book(Protocol):
    """What is known of models: sizes and prices."""

    def context_tokens(self, target: str) -> int | None:
        """How many tokens fit in, where it is known."""
        ...

    def at_most(self, target: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """The most that so many tokens cost there now, in USD; None where the price is not known."""
        ...

    def price(self, target: str, usage: Usage, at: datetime) -> Cost:
        """See ``Chooser.price``."""
        ...

    def configure(self, own: Mapping[str, tuple[OwnPrice, ...]]) -> None:
        """From now on these are the operator's own prices."""
        ...


class Selection:
    """Chooses by the configuration and by what the turns have learned. See ``choosing.Chooser``."""

    def __init__(self, turns: Turns, configuration: Configuration, book: Book, *, now: Callable[[], datetime]) -> None:
        self._turns, self._configuration, self._book, self._now = turns, configuration, book, now
        self._digest = configuration.digest
        self._stuck: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._abilities: dict[str, Ability] = {}
        self._targets: dict[str, Target] = {}
        self._may_hedge: dict[str, float] = {}

    def configure(self, configuration: Configuration) -> None:
        """From now on this one holds; calls that have begun keep their plan."""
        self._configuration, self._digest = configuration, configuration.digest
        self._abilities.clear()
        self._targets.clear()
        self._turns.configure(configuration)
        self._book.configure(configuration.prices)

    @property
    def configuration(self) -> Configuration:
        """The one that holds."""
        return self._configuration

    def turn(self, tenant: str, target: Target, tokens: int) -> AbstractAsyncContextManager[Turn]:
        """See ``Chooser.turn``."""
        return self._turns.turn(tenant, target, tokens)

    def price(self, target: str, usage: Usage, at: datetime) -> Cost:
        """See ``Chooser.price``."""
        return self._book.price(target, usage, at)

    def may_hedge(self, plan: Plan) -> bool:
        """See ``Chooser.may_hedge``."""
        name = plan.routing.requested
        if self._may_hedge.get(name, 0.0) < 1.0:
            return False
        self._may_hedge[name] -= 1.0
        return True

    def choose(self, tenant: str, call: str, request: ModelRequest, decided: CallDecided) -> Plan:  # noqa: ARG002 - part of the port
        """See ``Chooser.choose``."""
        configuration, now = self._configuration, self._now()
        policy = _strings(decided.obligations.get("models"))
        alias = configuration.aliases.get(request.model)
        named = policy or (alias.targets if alias is not None else (request.model,) if "/" in request.model else ())
        ordering: Ordering = "listed" if policy else alias.ordering if alias is not None else configuration.ordering
        if decided.obligations.get("models") is not None and not policy:
            return self._nobody(request, ordering, (), _UNREADABLE)
        if not named:
            return self._nobody(request, ordering, (), _unknown(request.model, configuration))
        needs = needs_for(request, decided)
        verdicts = [judge(self._ability(target), needs, self._turns.pools) for target in dict.fromkeys(named)]
        fit = [verdict.ability for verdict in verdicts if not verdict.rejected]
        standings = [self._standing(place, ability, needs, now) for place, ability in enumerate(fit)]
        sticky, prefix = self._sticky(request, alias, standings, now)
        chain = order(standings, ordering, call=call, sticky=sticky)
        if alias is not None and not alias.fallbacks:
            chain = chain[:1]
        candidates = self._candidates(verdicts, {each.target: each for each in standings}, chain)
        if not chain:
            return self._nobody(request, ordering, candidates, _rejected(request.model, verdicts))
        if prefix:
            self._stick(prefix, chain[0], now)
        routing = ModelRouting(
            requested=request.model,
            ordering=ordering,
            chain=tuple(chain),
            candidates=candidates,
            sticky=sticky,
            config=self._digest,
        )
        own = alias.cache if alias is not None else None
        return Plan(
            routing,
            tuple(map(self._target, chain)),
            self._patience(alias, request.model, thinks=needs.thinking),
            input_tokens=needs.input_tokens,
            cache=own or configuration.cache,
        )

    # --- what is asked, and what there is -----------------------------------------------------------------------------

    def _ability(self, target: str) -> Ability:
        found = self._abilities.get(target)
        if found is None:
            found = self._abilities[target] = ability_of(
                target, self._configuration, self._adapter_features(target), self._book
            )
        return found

    def _adapter_features(self, target: str) -> Features:
        provider, _, model = target.partition("/")
        pool = self._turns.pools.get(provider)
        return pool.keys[0].adapter.features(model) if pool is not None else Features()

    def _target(self, name: str) -> Target:
        found = self._targets.get(name)
        if found is None:
            provider, _, model = name.partition("/")
            features = _less(self._adapter_features(name), self._configuration.model(name))
            found = self._targets[name] = Target(provider, model, features)
        return found

    def _standing(self, place: int, ability: Ability, needs: Needs, now: datetime) -> Standing:
        known = self._turns.known(ability.target)
        return Standing(
            ability.target,
            place,
            usd=self._book.at_most(ability.target, needs.input_tokens, needs.output_tokens),
            latency_ms=known.latency.expected_ms(now),
            quality=ability.quality,
            weight=ability.weight,
            breaker=known.breaker.state(now),
            wants_probe=known.breaker.would_admit(now),
            full=self._turns.full(ability.provider),
        )

    def _candidates(
        self, verdicts: Sequence[Verdict], standings: Mapping[str, Standing], chain: Sequence[str]
    ) -> tuple[ModelCandidate, ...]:
        found: list[ModelCandidate] = []
        for verdict in verdicts:
            target = verdict.ability.target
            standing = standings.get(target)
            if standing is None:
                found.append(ModelCandidate(target=target, rejected=verdict.rejected, weight=verdict.ability.weight))
                continue
            known = self._turns.known(target)
            found.append(
                ModelCandidate(
                    target=target,
                    rank=chain.index(target) if target in chain else None,
                    usd=standing.usd,
                    latency_ms=round(standing.latency_ms, 1) if known.latency.known() else None,
                    quality=standing.quality,
                    weight=standing.weight,
                    breaker=standing.breaker,
                    in_flight=known.in_flight,
                    limit=sum(key.limit.limit for key in self._turns.pools[verdict.ability.provider].keys),
                )
            )
        return tuple(found)

    # --- a prefix stays where it was ----------------------------------------------------------------------------------

    def _sticky(
        self, request: ModelRequest, alias: Alias | None, standings: Sequence[Standing], now: datetime
    ) -> tuple[str | None, str]:
        """The target that this request's beginning was sent to lately, and the name of that beginning."""
        if alias is None or not alias.sticky or len(standings) < 2:
            return None, ""
        prefix = _prefix(request)
        stuck = self._stuck.get(prefix)
        if stuck is None or now - stuck[1] > STICKY_FOR or stuck[0] not in {each.target for each in standings}:
            return None, prefix
        return stuck[0], prefix

    def _stick(self, prefix: str, target: str, now: datetime) -> None:
        self._stuck[prefix] = (target, now)
        self._stuck.move_to_end(prefix)
        if len(self._stuck) > REMEMBERED:
            self._stuck.popitem(last=False)

    # --- the plan -----------------------------------------------------------------------------------------------------

    def _patience(self, alias: Alias | None, requested: str, *, thinks: bool) -> Patience:
        retries, timeouts = self._configuration.retries, self._configuration.timeouts
        at_least = timeouts.thinking_s if thinks else 0.0
        hedge = alias.hedge if alias is not None else None
        if hedge is not None:
            self._earn(requested, hedge)
        return Patience(
            tries_per_target=retries.tries_per_target,
            attempts=retries.attempts,
            longest_wait=timedelta(seconds=retries.longest_wait_s),
            attempt=timedelta(seconds=max(timeouts.attempt_s, at_least)),
            first_token=timedelta(seconds=max(timeouts.first_token_s, at_least)),
            stall=timedelta(seconds=timeouts.stall_s),
            hedge_after=timedelta(seconds=hedge.after_s) if hedge is not None else None,
        )

    def _earn(self, name: str, hedge: Hedge) -> None:
        """Each call earns its share of a hedge; some are saved up for a bad minute."""
        self._may_hedge[name] = min(10.0, self._may_hedge.get(name, 1.0) + hedge.at_most)

    def _nobody(self, request: ModelRequest, ordering: Ordering, candidates: tuple[ModelCandidate, ...], fault: Fault) -> Plan:
        routing = ModelRouting(requested=request.model, ordering=ordering, chain=(), candidates=candidates, config=self._digest)
        return Plan(routing, (), fault=fault)


def needs_for(request: ModelRequest, decided: CallDecided) -> Needs:
    """What a call needs: what its request asks for, and what policy obliges to."""
    obligations = decided.obligations
    providers, regions = obligations.get("providers"), obligations.get("regions")
    return replace(
        needs_of(request, input_tokens=estimated_input_tokens(request), streaming=decided.stream),
        providers=frozenset(_strings(providers)) if providers else None,
        regions=frozenset(_strings(regions)) if regions else None,
        models=_strings(obligations.get("models")),
        data_classes=frozenset(one.entity for one in decided.entities),
    )


def ability_of(target: str, configuration: Configuration, features: Features, book: Book) -> Ability:
    """What a target offers: the adapter's word, less what the configuration takes away, and what is listed of it."""
    provider, _, model = target.partition("/")
    settings, of_provider = configuration.model(target), configuration.provider(provider)
    features = _less(features, settings)
    return Ability(
        target,
        context_tokens=settings.context_tokens or book.context_tokens(target),
        max_output_tokens=settings.max_output_tokens,
        streaming=features.streaming,
        tools=features.tools,
        json_schema=features.json_schema,
        images=features.images,
        image_urls=features.image_urls,
        thinking=features.thinking,
        embeddings=features.embeddings,
        generates=not _only_embeds(model),
        regions=settings.regions if settings.regions is not None else of_provider.regions,
        refuses_data=of_provider.refuses_data,
        quality=settings.quality,
        weight=settings.weight,
    )


def _less(features: Features, settings: ModelSettings) -> Features:
    taken: dict[str, bool] = dict.fromkeys(settings.without, False)
    if settings.embeddings is not None:
        taken["embeddings"] = settings.embeddings
    return replace(features, **taken) if taken else features


def _prefix(request: ModelRequest) -> str:
    """What a conversation begins with, and keeps as it grows: the tools, the system prompt and the first turn."""
    if request.cache_key is not None:
        return f"key {request.cache_key}"
    digest = hashlib.blake2b(digest_size=16)
    for tool in request.tools:
        digest.update(tool.name.encode("utf-8", "surrogatepass"))
    digest.update((request.system or "")[:_PREFIX_CHARS].encode("utf-8", "surrogatepass"))
    for part in request.messages[0].parts if request.messages else ():
        if isinstance(part, TextPart):
            digest.update(part.text[:_PREFIX_CHARS].encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _only_embeds(model: str) -> bool:
    return "embed" in model


def _unknown(model: str, configuration: Configuration) -> Fault:
    known = ", ".join(sorted(configuration.aliases)) or "none"
    return Fault(
        code="unknown_model", message=f'there is no alias {model!r}: ask for one of these ({known}), or for "provider/model"'
    )


_BARRED = frozenset({"provider_off", "not_permitted", "residency", "data_class"})
_TOO_LONG = frozenset({"context_too_long", "no_room_for_output"})


def _rejected(model: str, verdicts: Sequence[Verdict]) -> Fault:
    reasons = "; ".join(f"{verdict.ability.target}: {', '.join(verdict.rejected)}" for verdict in verdicts)
    # Of those that could be asked at all, what speaks against the request itself.
    of_request = [verdict.rejected for verdict in verdicts if not _BARRED.intersection(verdict.rejected)]
    code = "no_provider"
    if of_request:
        code = "context_too_long" if all(_TOO_LONG.intersection(codes) for codes in of_request) else "cannot_serve"
    return Fault(code=code, message=f"nothing that is configured for model {model!r} can serve this request ({reasons})")


def _strings(value: Any) -> tuple[str, ...]:
    """A list of names from an obligation; anything else names nobody."""
    return tuple(map(str, cast("list[Any]", value))) if isinstance(value, list | tuple) else ()
