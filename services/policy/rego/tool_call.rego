# May this tool run now, never, or only after a person agreed?
package agentos.tool_call

import data.agentos.lib

decision := lib.ruling("tool_call", denials, holds, special_terms, added) if well_formed

decision := lib.no_rule_allows("tool_call") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.task)
	is_string(input.pack)
	is_string(input.agent)
	is_string(input.tool)
	is_array(input.declared_tools)
	is_boolean(input.untrusted)
	input.effect in ["read", "write", "egress"]
	is_array(input.data_classes)
	is_number(input.destinations)
	is_array(input.foreign)
	lib.history_given
}

# Rules on the task's history have a package of their own, which may be absent.
default added := {}

added := data.agentos.history.obligations

denials contains denial if some denial in data.agentos.history.denials

holds contains hold if some hold in data.agentos.history.holds

# The entry for exactly this tool, or else the one for its namespace ("local.*").
listed := data.config.tools[input.tool]

listed := data.config.tools[namespace] if not data.config.tools[input.tool]

namespace := concat(".", [split(input.tool, ".")[0], "*"]) if contains(input.tool, ".")

# Where unknown tools are only monitored, their effect still counts.
default rule := "by_effect"

rule := listed.rule

default special_terms := {}

special_terms := listed.approval

changes_the_world if input.effect in ["write", "egress"]

denials contains {"reason": "tool.undeclared", "rule": "tool_call.declared"} if not input.tool in input.declared_tools

denials contains {"reason": "tool.unknown", "rule": "tool_call.known"} if not listed

denials contains {"reason": "tool.denied", "rule": "tool_call.denied_tools"} if rule == "deny"

denials contains {"reason": "tool.misconfigured", "rule": "tool_call.known_rule"} if {
	not rule in ["allow", "by_effect", "deny", "hold"]
}

denials contains {"reason": "pack.disabled", "rule": "tool_call.enabled_pack"} if lib.pack_disabled(input.pack)

holds contains {"reason": "tool.needs_approval", "rule": "tool_call.held_tools"} if rule == "hold"

holds contains {"reason": concat(".", ["effect", input.effect]), "rule": "tool_call.effect"} if {
	rule == "by_effect"
	changes_the_world
}

# An explicit permission is for tasks from inside: text from outside may carry instructions of its own.
holds contains {"reason": "task.untrusted", "rule": "tool_call.untrusted_origin"} if {
	rule == "allow"
	changes_the_world
	input.untrusted == true
	not listed.untrusted == true
}
