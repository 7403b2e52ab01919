# Every table of cases beside the rules, asked one by one. The embedded evaluator is asked the same tables (tests/services/policy).
package cases_test

test_case[note] if {
	some name, table in data.cases
	some case in table.cases
	note := concat(": ", [name, case.note])
	decision := data.agentos[name].decision with input as asked(table.base, case) with data.config as configured(case)
	every field, wanted in case.want {
		decision[field] == wanted
	}
}

# `change` is merged into the base question, `replace` takes the place of whole fields, `remove` leaves fields out.
asked(base, case) := object.union(
	object.union(object.remove(base, remove), object.get(case, "change", {})),
	replace,
) if {
	replace := object.get(case, "replace", {})
	remove := object.keys(replace) | {field | some field in object.get(case, "remove", [])}
}

configured(case) := object.union(object.remove(data.config, object.get(case, "drop", [])), object.get(case, "config", {}))

# What coverage cannot see: that no two tables share a note, so that a failure names its case.
test_notes_are_unique if {
	every table in data.cases {
		count({case.note | some case in table.cases}) == count(table.cases)
	}
}
