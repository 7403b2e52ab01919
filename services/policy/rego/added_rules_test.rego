# Rules of other packages count like a package's own: what they deny, hold and oblige.
package added_rules_test

bases := {name: data.cases[name].base | some name in ["model_call", "tool_call"]}

finding := {"reason": "history.said", "rule": "history.rule"}

test_a_denial_denies if {
	every name, question in bases {
		d := data.agentos[name].decision with input as question with data.agentos.history as {"denials": {finding}}
		d.verdict == "deny"
		d.rules == ["history.rule"]
	}
}

test_a_hold_holds if {
	every name, question in bases {
		d := data.agentos[name].decision with input as question with data.agentos.history as {"holds": {finding}}
		d.verdict == "hold"
		"history.said" in d.reasons
	}
}

test_an_obligation_obliges if {
	read := object.union(bases.tool_call, {"tool": "github.get_issue", "effect": "read"})
	every name, question in {"model_call": bases.model_call, "tool_call": read} {
		d := data.agentos[name].decision with input as question with data.agentos.history as {"obligations": {"label": "x"}}
		d.verdict == "allow"
		d.obligations.label == "x"
	}
}

test_a_monitored_rule_of_another_package_is_told if {
	every name, question in bases {
		d := data.agentos[name].decision with input as question
			with data.agentos.history as {"denials": {finding}}
			with data.config.modes as {"history.rule": "monitor"}
		d.verdict != "deny"
		d.monitored == ["history.rule"]
	}
}
