# May this principal do this through the API? Roles and their actions stand in data.config.roles.
package agentos.api

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["api.default_deny"],
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
	"verdict": "allow",
	"reasons": ["api.allowed"],
	"rules": ["api.allow"],
	"obligations": {},
} if {
	well_formed
	count(denials) == 0
	role_permits
}

well_formed if {
	is_string(input.principal.kind)
	is_string(input.principal.id)
	is_array(input.principal.roles)
	is_string(input.action)
}

known_actions := {action | some actions in data.config.roles; some action in actions}

role_permits if {
	some role in input.principal.roles
	input.action in data.config.roles[role]
}

denials contains {"reason": "principal.not_for_api", "rule": "api.principal_kind"} if {
	not input.principal.kind in ["api_key", "service"]
}

denials contains {"reason": "action.unknown", "rule": "api.known_action"} if {
	not role_permits
	not input.action in known_actions
}

denials contains {"reason": "role.missing", "rule": "api.role_permits"} if not role_permits
