# Is what happened lately too much? Triggers stand in data.config.kill.triggers; one that trips engages a kill switch.
# A trigger: {"name", "scope", "target" ("*" or left out: each), "metric": "spend_usd" | "error_rate" | "denial_rate",
# "window": "1m" | "5m", "limit", "min_count" (for rates), "mode": "halt" | "drain", "cool_down_s"}.
package agentos.trigger

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["trigger.default_deny"],
	"monitored": [],
	"obligations": {},
}

decision := {
	"verdict": "deny",
	"reasons": sort({sprintf("trigger.%s", [trigger.metric]) | some trigger in tripped}),
	"rules": sort({sprintf("trigger.%s", [trigger.name]) | some trigger in tripped}),
	"monitored": [],
	"obligations": {
		"trigger": first.name,
		"scope": input.scope,
		"target": input.target,
		"mode": first.mode,
		"reason": sprintf("trigger %s: %s of %s %s reached %v within %s", [
			first.name,
			first.metric,
			input.scope,
			input.target,
			first.limit,
			first.window,
		]),
		"cool_down_s": first.cool_down_s,
	},
} if {
	well_formed
	count(tripped) > 0
}

decision := {
	"verdict": "allow",
	"reasons": ["trigger.quiet"],
	"rules": ["trigger.allow"],
	"monitored": [],
	"obligations": {"triggers": count(data.config.kill.triggers)},
} if {
	well_formed
	count(tripped) == 0
}

well_formed if {
	is_string(input.tenant)
	is_string(input.scope)
	is_string(input.target)
	is_object(input.windows)
}

# What cancels comes before what drains, then by name.
first := sorted[0] if {
	sorted := array.concat(
		[trigger | some name in names; some trigger in tripped; trigger.name == name; trigger.mode == "halt"],
		[trigger | some name in names; some trigger in tripped; trigger.name == name; trigger.mode == "drain"],
	)
}

names := sort({trigger.name | some trigger in tripped})

tripped contains trigger if {
	some trigger in data.config.kill.triggers
	trigger.scope == input.scope
	concerns(trigger)
	exceeded(trigger, input.windows[trigger.window])
}

concerns(trigger) if object.get(trigger, "target", "*") in ["*", input.target]

exceeded(trigger, window) if {
	trigger.metric == "spend_usd"
	window.spend_usd >= trigger.limit
}

exceeded(trigger, window) if {
	trigger.metric == "error_rate"
	window.calls >= trigger.min_count
	window.calls > 0
	window.failed >= trigger.limit * window.calls
}

exceeded(trigger, window) if {
	trigger.metric == "denial_rate"
	window.decided >= trigger.min_count
	window.decided > 0
	window.denied >= trigger.limit * window.decided
}
