package agentos.api_test

import data.agentos.api

asked(role, action) := {"principal": {"kind": "api_key", "id": "k", "roles": [role]}, "action": action}

test_an_empty_input_is_denied_by_default if {
	d := api.decision with input as {}
	d.rules == ["api.default_deny"]
}

resolvers contains role if {
	some role, actions in data.config.roles
	"approvals.resolve" in actions
}

test_admin_may_everything if {
	every action in api.known_actions {
		d := api.decision with input as asked("admin", action)
		d.verdict == "allow"
	}
}

test_only_admin_manages_keys if {
	every role in ["operator", "approver", "author", "viewer"] {
		d := api.decision with input as asked(role, "keys.manage")
		d.reasons == ["role.missing"]
	}
}

test_a_viewer_only_reads if {
	every action in data.config.roles.viewer {
		endswith(action, ".read")
	}
}

test_only_approver_and_admin_resolve_approvals if {
	resolvers == {"admin", "approver"}
}

test_an_unknown_role_may_nothing if {
	d := api.decision with input as asked("root", "tasks.read")
	d.reasons == ["role.missing"]
}

test_an_unknown_action_is_denied_even_for_admin if {
	d := api.decision with input as asked("admin", "tasks.destroy")
	d.reasons == ["action.unknown", "role.missing"]
}

test_one_of_several_roles_suffices if {
	d := api.decision with input as {"principal": {"kind": "api_key", "id": "k", "roles": ["viewer", "approver"]}, "action": "approvals.resolve"}
	d.verdict == "allow"
}

test_a_pack_has_no_business_here if {
	d := api.decision with input as {"principal": {"kind": "pack", "id": "p", "roles": ["admin"]}, "action": "tasks.read"}
	d.reasons == ["principal.not_for_api"]
}
