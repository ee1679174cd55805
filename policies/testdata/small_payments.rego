package intentgate

default decision := {"decision": "block", "code": "not_covered", "reason": "Only small payments are allowed"}

decision := {"decision": "allow"} if {
	payment
	input.call.arguments.amount <= 100
}

# Decides lists, and which names exist for a caller: there are no arguments yet.
may_list if payment

payment if input.call.name == "pay_invoice"
