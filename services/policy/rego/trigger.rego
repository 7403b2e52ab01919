# Is what happened lately too much? Triggers stand in data.config.kill.triggers; one that trips engages a kill switch.
# A trigger: {"name", "scope", "target" ("*" or left out: each), "metric": "spend_usd" | "error_rate" | "denial_rate",
# "window": "1m" | "5m", "limit", "min_count" (for rates), "mode": "halt" | "drain", "cool_down_s"}. Its rule is trigger.<name>.
package agentos.trigger

import data.agentos.lib

decision := ruled if {
	well_formed
	ruled.verdict != "deny"
}

decision := object.union(ruled, {"obligations": trip}) if {
	well_formed
	ruled.verdict == "deny"
}

decision := lib.no_rule_allows("trigger") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.scope)
	is_string(input.target)
	is_object(input.windows["1m"])
	is_object(input.windows["5m"])
}

ruled := lib.ruling("trigger", denials, set(), {}, {"triggers": count(data.config.kill.triggers)})

denials contains {"reason": concat(".", ["trigger", trigger.metric]), "rule": rule(trigger)} if some trigger in tripped

rule(trigger) := concat(".", ["trigger", trigger.name])

tripped contains trigger if {
	some trigger in data.config.kill.triggers
	trigger.scope == input.scope
	object.get(trigger, "target", "*") in ["*", input.target]
	exceeded(trigger, input.windows[trigger.window])
}

exceeded(trigger, window) if {
	trigger.metric == "spend_usd"
	window.spent_microusd >= trigger.limit * 1000000
}

exceeded(trigger, window) if {
	trigger.metric == "error_rate"
	window.calls >= trigger.min_count
	window.failed >= trigger.limit * window.calls
	window.failed > 0
}

exceeded(trigger, window) if {
	trigger.metric == "denial_rate"
	window.decided >= trigger.min_count
	window.denied >= trigger.limit * window.decided
	window.denied > 0
}

trip := {
	"trigger": first.name,
	"scope": input.scope,
	"target": input.target,
	"mode": first.mode,
	"reason": sprintf("trigger %s: %s of %s %s is at its limit within %s", [
		first.name,
		first.metric,
		input.scope,
		input.target,
		first.window,
	]),
	"cool_down_s": first.cool_down_s,
}

# What cancels comes before what drains, then by name.
first := [trigger | some place in sort(object.keys(by_place)); trigger := by_place[place]][0]

by_place[place] := trigger if {
	some trigger in tripped
	not lib.monitored(rule(trigger))
	place := [trigger.mode == "drain", trigger.name]
}
