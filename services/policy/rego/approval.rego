# May this person give this answer to this approval? Asked for every answer before it counts.
package agentos.approval

import data.agentos.lib

decision := lib.ruling("approval", denials, set(), {}, {}) if well_formed

decision := lib.no_rule_allows("approval") if not well_formed

well_formed if {
	is_string(input.principal.kind)
	is_string(input.principal.id)
	is_array(input.principal.roles)
	is_array(input.approval.approver_roles)
	is_string(input.approval.requested_by)
	is_boolean(input.approval.four_eyes)
	is_array(input.voted_already)
	is_array(input.edited_by)
	is_boolean(input.digest_matches)
	is_boolean(input.delegation_in_force)
	valid_delegator
	input.outcome in ["approved", "rejected"]
}

valid_delegator if is_null(input.delegated_from)

valid_delegator if {
	is_string(input.delegated_from.kind)
	is_string(input.delegated_from.id)
	is_array(input.delegated_from.roles)
}

delegated if is_object(input.delegated_from)

# Whose right to answer counts: the delegator's where there is one.
holder := input.delegated_from if delegated

holder := input.principal if not delegated

# Everyone whose will the answer expresses: a delegate's answer is the delegator's as well.
speaks_for contains input.principal.id

speaks_for contains holder.id

# Two lists must both agree: what the approval asks for, and who may resolve at all.
holds_approver_role if {
	some role in holder.roles
	role in input.approval.approver_roles
	"approvals.resolve" in data.config.roles[role]
}

delegation_valid if not delegated

delegation_valid if {
	input.delegation_in_force
	input.delegated_from.kind in ["user", "api_key"]
	input.delegated_from.id != input.principal.id
	some role in input.delegated_from.roles
	"approvals.delegate" in data.config.roles[role]
}

four_eyes if input.approval.four_eyes == true

# Both the approval and the house must say that one person is enough.
four_eyes if not data.config.approvals.terms.four_eyes == false

denials contains {"reason": "approver.not_a_person", "rule": "approval.principal_kind"} if {
	not input.principal.kind in ["user", "api_key"]
}

denials contains {"reason": "approver.role_missing", "rule": "approval.approver_roles"} if not holds_approver_role

denials contains {"reason": "delegation.invalid", "rule": "approval.delegation"} if not delegation_valid

denials contains {"reason": "approver.voted_already", "rule": "approval.votes_once"} if {
	some id in speaks_for
	id in input.voted_already
}

# The requester may withdraw (reject), not approve.
denials contains {"reason": "approver.is_requester", "rule": "approval.four_eyes"} if {
	input.outcome == "approved"
	four_eyes
	input.approval.requested_by in speaks_for
}

# Who changed what will be done is its author from then on, and another person looks at it.
denials contains {"reason": "approver.is_editor", "rule": "approval.editor"} if {
	input.outcome == "approved"
	some id in speaks_for
	id in input.edited_by
	not data.config.approvals.editor_may_approve == true
}

# What was shown to the person is not what would be done.
denials contains {"reason": "approval.digest_differs", "rule": "approval.digest"} if {
	input.outcome == "approved"
	input.digest_matches != true
}
