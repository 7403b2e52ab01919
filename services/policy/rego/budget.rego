# Which budgets apply to this model call, and whose account each one draws on. Asked after the call itself was allowed or held.
#
# A scope names what a budget is about: a value (`{"pack": "sales"}`), or "*" for a budget of its own for each value. Without a name of its
# own in the scope, a budget is the tenant's.
#
# The task is told only to rules that need it (`needs`): it is null at first, so that all tasks' calls ask the same.
package agentos.budget

import data.agentos.lib

decision := lib.ruling("budget", denials, set(), {}, asked_or_applying) if well_formed

decision := lib.no_rule_allows("budget") if not well_formed

# Rules that look at the task add it too, or they would see null.
needs contains "task" if {
	some budget in data.config.budgets
	budget.scope.task
}

asked_or_applying := {"needs": sort(needs)} if {
	is_null(input.task)
	count(needs) > 0
} else := {"budgets": applying}

well_formed if {
	is_string(input.tenant)
	is_string(input.pack)
	is_string(input.agent)
	task_or_null
	is_string(input.task_type)
	is_string(input.requester.kind)
	is_string(input.requester.id)
	is_string(input.user)
	is_string(input.model)
	is_array(input.providers)
	is_array(data.config.budgets)
}

task_or_null if is_string(input.task)

task_or_null if is_null(input.task)

# What the call is, by dimension: several providers may serve it, and a requester need not be an API key.
values := {
	"tenant": [input.tenant],
	"pack": [input.pack],
	"agent": [input.agent],
	"task": [input.task],
	"task_type": [input.task_type],
	"user": [input.user],
	"api_key": [input.requester.id | input.requester.kind == "api_key"],
	"model": [input.model],
	"provider": input.providers,
}

matching(candidates, wanted) := [value |
	some value in candidates
	wanted in {"*", value}
]

# In the order of the configuration, so that every evaluator gives the same list.
applying := [resolved |
	some budget in data.config.budgets
	every dimension, wanted in budget.scope {
		count(matching(values[dimension], wanted)) > 0
	}
	some provider in providers_of(budget)
	resolved := object.union(
		object.filter(budget, ["id", "metric", "limit", "window", "mode", "warn_at", "wait_s"]),
		{"key": object.union(plain_key(budget), provider)},
	)
]

plain_key(budget) := object.union({"tenant": input.tenant}, {dimension: value |
	some dimension, wanted in budget.scope
	dimension != "provider"
	some value in matching(values[dimension], wanted)
})

# One account for each provider that may serve the call.
providers_of(budget) := [{"provider": name} | some name in matching(input.providers, budget.scope.provider)] if budget.scope.provider

providers_of(budget) := [{}] if not budget.scope.provider

# A limit that nobody understands is no limit: whatever is wrong with one stops every call until it is mended.
denials contains {"reason": "budget.invalid", "rule": "budget.valid"} if {
	some budget in data.config.budgets
	not valid(budget)
}

denials contains {"reason": "budget.invalid", "rule": "budget.one_of_each_id"} if {
	count({budget.id | some budget in data.config.budgets}) != count(data.config.budgets)
}

valid(budget) if {
	is_string(budget.id)
	is_string(budget.limit)
	budget.metric in {"requests", "tokens", "usd"}
	budget.mode in {"hard", "soft", "throttle"}
	valid_window(budget.window)
	count(budget.scope) > 0
	every dimension, wanted in budget.scope {
		values[dimension]
		is_string(wanted)
	}
}

valid_window(window) if window in {"minute", "hour", "day", "month", "total"}

valid_window(window) if is_number(window.sliding_s)
