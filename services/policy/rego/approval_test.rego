package agentos.approval_test

import data.agentos.approval

ask := {
	"principal": {"kind": "api_key", "id": "ann", "roles": ["approver"]},
	"approval": {"requested_by": "github", "approver_roles": ["approver", "admin"]},
	"outcome": "approved",
}

by(principal) := object.union(ask, {"principal": principal})

test_an_approver_may_resolve if {
	approval.decision.verdict == "allow" with input as ask
}

test_an_empty_input_is_denied_by_default if {
	d := approval.decision with input as {}
	d.rules == ["approval.default_deny"]
}

test_a_viewer_may_not if {
	d := approval.decision with input as by({"kind": "api_key", "id": "ann", "roles": ["viewer"]})
	d.reasons == ["approver.role_missing"]
}

test_an_invented_role_that_the_approval_names_does_not_help if {
	d := approval.decision with input as {
		"principal": {"kind": "api_key", "id": "ann", "roles": ["boss"]},
		"approval": {"requested_by": "github", "approver_roles": ["boss"]},
		"outcome": "approved",
	}
	d.reasons == ["approver.role_missing"]
}

test_a_pack_may_not_approve if {
	d := approval.decision with input as by({"kind": "pack", "id": "engineering", "roles": ["approver"]})
	d.reasons == ["approver.not_a_person"]
}

test_the_requester_may_not_approve if {
	d := approval.decision with input as by({"kind": "api_key", "id": "github", "roles": ["admin"]})
	d.reasons == ["approver.is_requester"]
}

test_the_requester_may_withdraw if {
	d := approval.decision with input as {
		"principal": {"kind": "api_key", "id": "github", "roles": ["admin"]},
		"approval": ask.approval,
		"outcome": "rejected",
	}
	d.verdict == "allow"
}

test_a_house_of_one_may_permit_self_approval if {
	d := approval.decision with input as by({"kind": "api_key", "id": "github", "roles": ["admin"]})
		with data.config.approvals.self_approval as true
	d.verdict == "allow"
}

test_another_outcome_is_denied_by_default if {
	d := approval.decision with input as object.union(ask, {"outcome": "maybe"})
	d.rules == ["approval.default_deny"]
}
