# May this principal do this through the API? Roles and their actions stand in data.config.roles.
package agentos.api

import data.agentos.lib

decision := lib.ruling("api", denials, set(), {}, {}) if well_formed

decision := lib.no_rule_allows("api") if not well_formed

well_formed if {
	is_string(input.principal.kind)
	is_string(input.principal.id)
	is_array(input.principal.roles)
	is_string(input.action)
}

action_known if {
	some actions in data.config.roles
	input.action in actions
}

role_permits if {
	some role in input.principal.roles
	input.action in data.config.roles[role]
}

denials contains {"reason": "principal.not_for_api", "rule": "api.principal_kind"} if {
	not input.principal.kind in ["user", "api_key", "service"]
}

denials contains {"reason": "action.unknown", "rule": "api.known_action"} if {
	not role_permits
	not action_known
}

denials contains {"reason": "role.missing", "rule": "api.role_permits"} if not role_permits
