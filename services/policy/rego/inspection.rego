# What came back, a model's answer or a tool's result: which labels does it leave on the task, and may the agent see it?
package agentos.inspection

import data.agentos.lib

decision := lib.ruling("inspection", denials, set(), {}, {"labels": sort(labels)}) if well_formed

decision := lib.no_rule_allows("inspection") if not well_formed

well_formed if {
	is_string(input.tenant)
	is_string(input.task)
	is_string(input.pack)
	is_string(input.agent)
	input.kind in ["model", "tool"]
	is_string(input.tool)
	is_array(input.labels)
	is_array(input.data_classes)
	is_boolean(input.leaked_instructions)
}

labels contains label if some label in input.labels

# What a tool brings in was written by others, unless the configuration says that it speaks for the house.
labels contains "untrusted" if {
	input.kind == "tool"
	not data.config.tools[input.tool].trusted_result == true
}

labels contains "secret.received" if "SECRET" in input.data_classes

labels contains "instructions.leaked" if input.leaked_instructions

denials contains {"reason": concat(".", ["withheld", label]), "rule": "inspection.withheld_labels"} if {
	some label in labels
	label in data.config.inspection.withhold
}
