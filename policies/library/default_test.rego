package intentgate_test

import data.intentgate

call(named_exactly, annotations) := {
	"call": {"method": "tools/call", "name": "pay_invoice", "upstream": "acme"},
	"principal": {"agent": "billing", "tenant": "default"},
	"tool": {"known": true, "annotations": annotations},
	"facts": {"capability": {"named_exactly": named_exactly}},
}

answer(document) := concat(" ", [result.decision, result.code]) if {
	result := intentgate.decision with input as document
}

test_named_exactly_is_allowed_whatever_the_annotations_say if {
	every annotations in [
		{},
		{"readOnlyHint": true},
		{"destructiveHint": true},
		{"readOnlyHint": true, "destructiveHint": true},
		{"readOnlyHint": false, "destructiveHint": false},
	] {
		answer(call(true, annotations)) == "allow named_exactly"
	}
}

test_read_only_is_allowed_by_a_pattern if {
	answer(call(false, {"readOnlyHint": true})) == "allow read_only"
	answer(call(false, {"readOnlyHint": true, "destructiveHint": false})) == "allow read_only"
}

test_destructive_escalates_under_a_pattern if {
	answer(call(false, {"destructiveHint": true})) == "escalate destructive"
	answer(call(false, {"readOnlyHint": false, "destructiveHint": true})) == "escalate destructive"
}

test_contradicting_annotations_count_as_destructive if {
	answer(call(false, {"readOnlyHint": true, "destructiveHint": true})) == "escalate destructive"
}

test_unannotated_escalates_under_a_pattern if {
	every annotations in [
		{},
		{"readOnlyHint": false},
		{"destructiveHint": false},
		{"readOnlyHint": false, "destructiveHint": false},
		{"idempotentHint": true, "openWorldHint": false},
	] {
		answer(call(false, annotations)) == "escalate not_read_only"
	}
}

test_a_missing_definition_counts_as_unannotated if {
	document := object.remove(call(false, {}), ["tool"])
	answer(document) == "escalate not_read_only"
}

test_only_the_boolean_true_counts if {
	every value in ["true", 1, null, {}, [], "yes"] {
		answer(call(value, {})) == "escalate not_read_only"
		answer(call(false, {"readOnlyHint": value})) == "escalate not_read_only"
	}
}

test_other_methods_are_blocked if {
	every method in ["tools/list", "resources/list", "prompts/list", "initialize", "TOOLS/CALL", "logging/setLevel", ""] {
		document := object.union(call(true, {"readOnlyHint": true}), {"call": {"method": method}})
		answer(document) == "block not_covered"
	}
}

test_prompts_and_resources_are_allowed_within_the_token if {
	every method in [
		"prompts/get",
		"resources/read",
		"completion/complete",
		"resources/subscribe",
		"resources/unsubscribe",
		"subscriptions/listen",
	] {
		document := object.union(call(false, {}), {"call": {"method": method}})
		answer(document) == "allow granted"
		answer(object.remove(document, ["facts"])) == "block not_covered"
		answer(object.remove(document, ["principal"])) == "block not_covered"
	}
}

test_what_no_token_covers_is_blocked if {
	whole := call(true, {"readOnlyHint": true})
	every name in ["call", "principal", "facts"] {
		answer(object.remove(whole, [name])) == "block not_covered"
	}
	answer(object.union(object.remove(whole, ["facts"]), {"facts": {}})) == "block not_covered"
	answer({}) == "block not_covered"
}

test_what_is_not_blocked_is_listed if {
	every annotations in [{}, {"readOnlyHint": true}, {"destructiveHint": true}] {
		every named in [true, false] {
			intentgate.may_list with input as listing(call(named, annotations))
		}
	}
	every method in ["prompts/get", "resources/read"] {
		document := object.union(call(false, {}), {"call": {"method": method}})
		intentgate.may_list with input as listing(document)
	}
}

test_what_is_blocked_is_not_listed if {
	whole := call(true, {"readOnlyHint": true})
	every name in ["call", "principal", "facts"] {
		not intentgate.may_list with input as listing(object.remove(whole, [name]))
	}
	not intentgate.may_list with input as listing({})
}

listing(document) := object.union(document, {"listing": true})
