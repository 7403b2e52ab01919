# May this tool run now, never, or only after a person agreed?
package agentos.tool_call

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["tool_call.default_deny"],
	"obligations": {},
}

decision := {
	"verdict": "deny",
	"reasons": sort({d.reason | some d in denials}),
	"rules": sort({d.rule | some d in denials}),
	"obligations": {},
} if {
	well_formed
	count(denials) > 0
}

decision := {
	"verdict": "hold",
	"reasons": sort({h.reason | some h in holds}),
	"rules": sort({h.rule | some h in holds}),
	"obligations": {
		"approver_roles": data.config.approvals.approver_roles,
		"expires_after_s": data.config.approvals.expires_after_s,
	},
} if {
	well_formed
	count(denials) == 0
	count(holds) > 0
}

decision := {
	"verdict": "allow",
	"reasons": ["tool_call.allowed"],
	"rules": ["tool_call.allow"],
	"obligations": {},
} if {
	well_formed
	count(denials) == 0
	count(holds) == 0
	input.tool in input.declared_tools
	permitted
}

well_formed if {
	is_string(input.tenant)
	is_string(input.task)
	is_string(input.pack)
	is_string(input.agent)
	is_string(input.tool)
	is_array(input.declared_tools)
	is_boolean(input.untrusted)
	input.effect in ["read", "write", "egress"]
}

# The entry for exactly this tool, or else the one for its namespace ("local.*").
entry := data.config.tools[input.tool] if data.config.tools[input.tool]

entry := data.config.tools[namespace] if {
	not data.config.tools[input.tool]
	data.config.tools[namespace]
}

namespace := concat(".", [split(input.tool, ".")[0], "*"]) if contains(input.tool, ".")

changes_the_world if input.effect in ["write", "egress"]

permitted if entry.rule == "allow"

permitted if {
	entry.rule == "by_effect"
	input.effect == "read"
}

denials contains {"reason": "tool.undeclared", "rule": "tool_call.declared"} if not input.tool in input.declared_tools

denials contains {"reason": "tool.unknown", "rule": "tool_call.known"} if not entry

denials contains {"reason": "tool.denied", "rule": "tool_call.denied_tools"} if entry.rule == "deny"

denials contains {"reason": "pack.disabled", "rule": "tool_call.enabled_pack"} if {
	data.config.packs[input.pack].enabled == false
}

holds contains {"reason": "tool.needs_approval", "rule": "tool_call.held_tools"} if entry.rule == "hold"

holds contains {"reason": sprintf("effect.%s", [input.effect]), "rule": "tool_call.effect"} if {
	entry.rule == "by_effect"
	changes_the_world
}

# An explicit permission is for tasks from inside: text from outside may carry instructions of its own.
holds contains {"reason": "task.untrusted", "rule": "tool_call.untrusted_origin"} if {
	entry.rule == "allow"
	changes_the_world
	input.untrusted == true
	not entry.untrusted == true
}
