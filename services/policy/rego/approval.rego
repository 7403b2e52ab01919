# May this principal resolve this approval? One approver suffices.
package agentos.approval

default decision := {
	"verdict": "deny",
	"reasons": ["policy.no_rule_allows"],
	"rules": ["approval.default_deny"],
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
	"reasons": ["approval.allowed"],
	"rules": ["approval.allow"],
	"obligations": {},
} if {
	well_formed
	count(denials) == 0
	holds_approver_role
}

well_formed if {
	is_string(input.principal.kind)
	is_string(input.principal.id)
	is_array(input.principal.roles)
	is_array(input.approval.approver_roles)
	is_string(input.approval.requested_by)
	input.outcome in ["approved", "rejected"]
}

# Two lists must both agree: what the approval asks for, and who may resolve at all.
holds_approver_role if {
	some role in input.principal.roles
	role in input.approval.approver_roles
	"approvals.resolve" in data.config.roles[role]
}

denials contains {"reason": "approver.not_a_person", "rule": "approval.principal_kind"} if {
	input.principal.kind != "api_key"
}

denials contains {"reason": "approver.role_missing", "rule": "approval.approver_roles"} if not holds_approver_role

# The requester may withdraw (reject), not approve, unless the configuration says that one person runs this house.
denials contains {"reason": "approver.is_requester", "rule": "approval.separation_of_duties"} if {
	input.outcome == "approved"
	input.principal.id == input.approval.requested_by
	data.config.approvals.self_approval != true
}
