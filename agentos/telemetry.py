"""Logs, traces and metrics: set up once per process, the same in every service.

Logs are JSON on standard error, each line with the correlation id, tenant and event id of the message being handled. Traces use
OpenTelemetry: one trace per task, carried in ``traceparent``; nothing is exported unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set. Without it
no spans are made: the traceparent is passed on as it came, and made where none came.
"""

import logging
import os
import re
import secrets
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from functools import cache, partial
from typing import Literal, TextIO

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

MetricName = Literal[
    "agentos_messages_total",
    "agentos_message_seconds",
    "agentos_dead_letters_total",
    "agentos_appends_total",
    "agentos_model_calls_total",
    "agentos_model_call_seconds",
    "agentos_model_cost_usd_total",
    "agentos_router_configurations_refused_total",
    "agentos_response_cache_total",
    "agentos_decisions_total",
    "agentos_tasks_settled_total",
    "agentos_kill_cancelled_total",
    "agentos_broker_connected",
    "agentos_http_requests_total",
    "agentos_http_request_seconds",
    "agentos_live_events_total",
    "agentos_live_sockets",
    "agentos_ledger_position",
    "agentos_audit_anchored",
    "agentos_policy_bundle_version",
    "agentos_policy_bundles_refused_total",
    "agentos_violations_total",
    "agentos_broker_refusals_total",
    "agentos_kill_trips_total",
    "agentos_kill_trips_monitored_total",
    "agentos_budget_reservations_total",
    "agentos_notifications_total",
]
"""Every metric of AgentOS; a name that is not here does not type-check."""

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("agentos")
"""Made once: it becomes the configured provider's as soon as there is one."""
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_passed: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The traceparent of what is being handled, where no spans are made."""


_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
# Cached here and not below, because what ``cache`` wraps takes any argument.
_counter, _gauge, _histogram = cache(Counter), cache(Gauge), cache(partial(Histogram, buckets=_BUCKETS_S))


def counter(name: MetricName, doc: str, labels: tuple[str, ...] = ()) -> Counter:
    """The process-wide counter of that name."""
    return _counter(name, doc, labels)


def gauge(name: MetricName, doc: str, labels: tuple[str, ...] = ()) -> Gauge:
    """The process-wide gauge of that name."""
    return _gauge(name, doc, labels)


def histogram(name: MetricName, doc: str, labels: tuple[str, ...] = ()) -> Histogram:
    """The process-wide histogram of that name, in seconds."""
    return _histogram(name, doc, labels)


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> None:
    """JSON lines to ``stream`` (standard error by default) for structlog and for libraries that use ``logging``."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            # Without local variables: those of a handler may hold what nothing at rest may hold.
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def configure_tracing(service: str) -> None:
    """With an OTLP endpoint in the environment: install the tracer provider and its exporter. Later calls change nothing."""
    if _spans() or not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    # Imported here: the exporter and protobuf cost memory that an unconfigured process need not spend.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create({"service.name": f"agentos-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _spans() -> bool:
    """Whether somebody installed a provider of spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


class _Passing:
    """The traceparent of what is handled within, where no spans are made: as it came; a new one where none came that can be read."""

    __slots__ = ("_before", "_traceparent")

    def __init__(self, traceparent: str | None) -> None:
        if traceparent is None or _TRACEPARENT.fullmatch(traceparent) is None:
            traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        self._traceparent = traceparent
        self._before: Token[str | None]

    def __enter__(self) -> None:
        self._before = _passed.set(self._traceparent)

    def __exit__(self, *_: object) -> None:
        _passed.reset(self._before)


def current_traceparent() -> str | None:
    """The W3C traceparent of the span in progress, to be carried in a message."""
    if (passed := _passed.get()) is not None:
        return passed
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def message_span(name: str, traceparent: str | None, **attributes: str) -> AbstractContextManager[None]:
    """A span that continues the trace of the message being handled.

    Of what went wrong it tells the type alone: an exception's text may hold what leaves the installation with no trace.
    """
    return _span(name, traceparent, attributes) if _spans() else _Passing(traceparent)


@contextmanager
def _span(name: str, traceparent: str | None, attributes: dict[str, str]) -> Generator[None]:
    context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with _TRACER.start_as_current_span(
        name, context=context, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as fault:
            span.set_status(trace.StatusCode.ERROR, type(fault).__name__)
            raise


@contextmanager
def trace_of(traceparent: str | None, name: str) -> Generator[None]:
    """Go on in the trace of ``traceparent``, where what is being handled came in another one: a person's command about a task.

    The two are linked. Without a ``traceparent``, or in the same trace already, nothing changes.
    """
    if not _spans():
        here = _passed.get() or ""
        if traceparent is None or _TRACEPARENT.fullmatch(traceparent) is None or traceparent[:36] == here[:36]:
            yield
            return
        with _Passing(traceparent):
            yield
        return
    span = trace.get_current_span().get_span_context()
    context = _PROPAGATOR.extract({"traceparent": traceparent or ""})
    there = trace.get_current_span(context).get_span_context()
    if not there.is_valid or there.trace_id == span.trace_id:
        yield
        return
    links = [trace.Link(span)] if span.is_valid else []
    with _TRACER.start_as_current_span(name, context=context, links=links):
        yield
