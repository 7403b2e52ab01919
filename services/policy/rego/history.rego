# What a task may still do once it has read something from outside. Used by tool_call and model_call.
#
# The agent of such a task is taken to be fooled: it may be doing an attacker's will. So what counts is not what it says but what it
# would change, with which tool, and where that would go: a place that whoever asked for the task named is known, every other is foreign.
package agentos.history

tainted if input.untrusted == true

tainted if "untrusted" in input.history.labels

suspected if {
	some label in ["injection.suspected", "jailbreak.suspected", "hidden_text"]
	label in input.history.labels
}

changes_the_world if input.effect in ["write", "egress"]

# An operator's word that tasks with content from outside may use this tool as they like.
tolerated if data.agentos.tool_call.listed.untrusted == true

obligations := {"inspect": data.config.inspection.mode}

denials contains {"reason": "history.undeclared_tool", "rule": "history.declared_tools"} if {
	tainted
	changes_the_world
	not input.tool in input.history.declared
}

denials contains {"reason": "history.secret_leaves", "rule": "history.secrets"} if {
	tainted
	input.effect == "egress"
	"SECRET" in input.data_classes
}

denials contains {"reason": concat(".", ["history.too_many", window]), "rule": "history.rate"} if {
	tainted
	some window, most in data.config.history.tainted_effects
	input.history.windows[window].effects[input.effect] >= most[input.effect]
}

denials contains {"reason": concat(".", ["history.too_expensive", window]), "rule": "history.spend"} if {
	tainted
	some window, most in data.config.history.tainted_microusd
	input.history.windows[window].spent_microusd >= most
}

holds contains {"reason": "history.foreign_destination", "rule": "history.destinations"} if {
	tainted
	changes_the_world
	count(input.foreign) > 0
	not tolerated
}

holds contains {"reason": "history.no_destination", "rule": "history.destinations"} if {
	tainted
	changes_the_world
	input.destinations == 0
	not tolerated
}

# Detectors are never the only line: this adds to what the rules above say, and lifts the operator's word.
holds contains {"reason": "history.injection_suspected", "rule": "history.injection"} if {
	suspected
	changes_the_world
	not vouched
}

vouched if {
	input.destinations > 0
	count(input.foreign) == 0
}
