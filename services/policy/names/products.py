"""Programs, languages and services whose names are also words or people's: ``Luigi``, ``Julia``, ``Jenkins``, ``Celery``.

Such a word is a product where the text around it speaks of programs and nothing in it is addressed to anybody. What is not listed is left
to the model.
"""

import re
from collections.abc import Callable

from services.policy.names.words import WORD

_PRODUCTS = frozenset(
    "ada airflow alpine andromeda angular ansible apollo arch ares argo arrow artemis astro athena atlas aurora avro azure "  # noqa: SIM905  # words, not a list of strings
    "babel backstage bazel beam bison bootstrap bun caddy camel cargo cassandra celery ceph chef cilium clojure cobol "
    "consul cordova cosmos couchbase crystal cuda cxx cython dagger dagster dapper dart dask debian delta deno django docker drone "
    "druid dynamo eclipse elasticsearch elixir ember envoy erlang falcon fastify fedora firefox flask flink fluent flutter "
    "flux fortran gatsby gerrit ghost gin gradle grafana groovy grunt gulp hadoop hamster harbor haskell hasura helm hera "
    "hermes heroku hibernate hive horovod hudi hugo iceberg impala ionic iris istio jaeger jasmine jekyll jenkins jest "
    "jetty jira julia juno jupyter kafka karma keras kestrel keycloak kibana kinesis knative kotlin kubernetes kustomize "
    "laravel linkerd locust logstash loki lua lucene luigi lumen magento marathon maven memcached mercurial mercury meteor "
    "mimir minio mint mocha mongo mysql nagios nats neptune netty nginx nim nomad nova nuxt ocaml octave odin oozie "
    "operator orion orleans oscar osiris osprey otto pandas pascal paxos perl phoenix pinot playwright poetry polars "
    "postfix postgres prefect presto prisma prolog prometheus pulsar pulumi puppet pyramid python quarkus rabbitmq raft "
    "rails react redis redux rollouts rook ruby rust sails salt samza sanic scala scheme selenium sentry sequelize sinatra "
    "snowflake solr spark spinnaker spring sqlite storm strapi superset svelte swift symfony tableau tailwind tekton tempo "
    "temporal tensorflow terraform thanos titan titus tomcat tornado traefik trino triton typescript ubuntu vagrant vala "
    "valkey viewstamped vault velero vespa vite vitess vue wal weave webpack wordpress workflows xamarin yarn zabbix zig zipf "
    "zookeeper zuul zygote "
    "alexa anthropic bedrock chatgpt claude codestral codex cohere copilot cortana crewai deepseek fable gemini gemma gpt grok groq haiku "
    "huggingface langchain langsmith litellm llama llamaindex mistral mixtral mythos ollama openai openrouter opus perplexity pydantic qwen "
    "replicate siri sonnet vertex xai "
    "ansi artifact biome bindgen brotli newtonsoft safari snappy zstd "
    "black buildx catalina cmake codecov cursor cypress datadog dependabot discord eslint figma flake "
    "flattens formulas ghidra handoff homebrew isort jekyll launchdarkly lint lodash mermaid minitest monterey mypy netlify notion nox numba "
    "pandoc pillow poetry prettier pyflakes pylint pyright pytest ragas renovate rollup rspec rubric rubocop ruff scipy segment sinon slack "
    "sonoma spans stripe supabase swatinem synthwave tox trufflehog trytond turborepo twilio ventura vercel vitest vultr yoga zed".split()
)
_MODELS = frozenset("claude gemini gemma mistral".split())  # noqa: SIM905  # words, not a list of strings
"""What is spoken of where programs are, rather than a person of that name."""
_ABOUT = 160
_LEAST = 2
"""So many other words of programs, each counted once, say that a text speaks of programs."""
_TECHNICAL = re.compile(
    r"\b(?:algorithm|api|apps?|backend|bindings?|binary|build|builds|cache|cli|cluster|clusters|compiler|containers?|cpu|daemon|dashboards?|"
    r"databases?|debug|deploy\w{0,6}|docs|drivers?|endpoints?|framework|frontend|graph|http|json|kernel|languages?|latency|librar(?:y|ies)|"
    r"logs?|memory|metrics?|modules?|nodes?|packages?|pipelines?|plugins?|pods?|process|protocol|proxy|queries|queues?|replicas?|repo(?:sitory)?|"
    r"agents?|arguments?|branch(?:es)?|chatbots?|class(?:es)?|commits?|config\w{0,10}|imports?|inference|install\w{0,6}|llms?|method|models?|"
    r"parameters?|prompts?|providers?|releases?|tokens?|workflows?|"
    r"runtime|scheduler|schema|sdk|servers?|shards?|socket|sql|stack|syntax|tasks?|threads?|tools?|versions?|workers?|yaml|p9[59])\b",
    re.IGNORECASE,
)
_SPOKEN_TO = re.compile(
    r"(?:@|\b(?:by|from|thanks|thx|hi|hello|hey|dear|cc|ask|asked|ping|with|mr|mrs|ms|dr)\b\.?,?[ ])$", re.IGNORECASE
)
_ACTS = re.compile(
    r",? (?:said|says|asked|asks|wrote|writes|told|thinks|thought|reviewed|approved|reported|please|can you|could you|will you|did you|"
    r"and I\b|is (?:on|out|back|off|away|sick))",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?P<word>[^\W\d_]+)(?:[,;]| and| or| und| et|,? vs\.?|/|[ |]+\|) ?$")
_AFTER = re.compile(r"(?:,| and| or| und| et|,? vs\.?|/|[ |]+\|) ?(?P<word>[^\W\d_]+)")
_HAS = re.compile(
    r" (?:bindings?|packages?|plugins?|clusters?|versions?|modules?|clients?|servers?|v?\d|"
    r"builds?|jobs?|workers?|pipelines?|queries|syntax|code|modes?)\b"
)


def has_name_of_product(value: str) -> bool:
    """Whether every word is one of a product, whatever is spoken of."""
    return {word.lower() for word in WORD.findall(value)} <= _PRODUCTS


def is_product(text: str, start: int, end: int, is_name: Callable[[str], bool], *, person: bool = True) -> bool:
    """Whether every word is a product's, in a text about programs that speaks to nobody of that name.

    A word that is also somebody's name (``is_name``) has to stand beside a product that is nobody's, or before what only products have,
    unless no ``person`` is thought of.
    """
    words = {word.lower() for word in WORD.findall(text[start:end]) if not word.islower()}
    if not words or not words <= _PRODUCTS:
        return False
    if person and _SPOKEN_TO.search(text, max(0, start - 16), start) is not None:
        return False
    if _ACTS.match(text, end) is not None:
        return False
    before, after = text[max(0, start - _ABOUT) : start], text[end : end + _ABOUT]
    others = {word.lower() for side in (before, after) for word in _TECHNICAL.findall(side)}
    others.update(word for side in (before, after) for each in WORD.findall(side) if (word := each.lower()) in _PRODUCTS)
    others -= words
    if not person or not any(is_name(word) for word in words):
        return bool(others)
    if len(others) < _LEAST:
        return False
    if words <= _MODELS:
        return True
    follows = _AFTER.match(after)
    beside = [match["word"].lower() for match in (_BEFORE.search(before), follows) if match is not None]
    if any(word in _PRODUCTS and not is_name(word) for word in (*words, *beside)) or _HAS.match(after) is not None:
        return True
    # ``Ada and Julia bindings``
    return follows is not None and follows["word"].lower() in _PRODUCTS and _HAS.match(after, follows.end()) is not None


__all__ = ["has_name_of_product", "is_product"]
