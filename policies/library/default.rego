# METADATA
# title: Default policy
# description: >-
#   What the gateway enforces until an operator writes a policy. The capability token says what may be called; within
#   it, a tool that the gateway's own block names exactly, or that its upstream annotates as read-only, is allowed.
#   What only a pattern covers and is not known to be read-only needs a human. Prompts and resources are allowed within
#   the token, which covers none unless the gateway's own block names them. Everything else is blocked.
package intentgate

default decision := {
	"decision": "block",
	"code": "not_covered",
	"reason": "The default policy covers only what is asked for with a capability token",
}

decision := {
	"decision": "allow",
	"code": "named_exactly",
	"reason": "The token names this tool exactly",
} if {
	within_token
	input.facts.capability.named_exactly == true
} else := {
	"decision": "allow",
	"code": "read_only",
	"reason": "The token covers this tool by a pattern and the tool is annotated as read-only",
} if {
	within_token
	read_only
} else := {
	"decision": "escalate",
	"code": "destructive",
	"reason": "The token covers this tool only by a pattern and the tool is annotated as destructive",
} if {
	within_token
	destructive
} else := {
	"decision": "escalate",
	"code": "not_read_only",
	"reason": "The token covers this tool only by a pattern and the tool is not annotated as read-only",
} if {
	within_token
} else := {
	"decision": "allow",
	"code": "granted",
	"reason": "The token grants this prompt or resource, and nothing is changed by it",
} if {
	granting_methods[input.call.method]
	has_token
}

# What is blocked whatever the arguments are is not listed; an escalation is a human's to grant.
may_list if decision.decision != "block"

within_token if {
	input.call.method == "tools/call"
	has_token
}

has_token if {
	is_object(input.principal)
	is_object(input.facts.capability)
}

# What reads a prompt or a resource. The capability check lets these pass only for what block 0 of the token grants.
granting_methods := {
	"prompts/get",
	"resources/read",
	"completion/complete",
	"resources/subscribe",
	"resources/unsubscribe",
	"subscriptions/listen",
}

# Annotations are claims of the upstream: contradicting ones count as destructive.
read_only if {
	input.tool.annotations.readOnlyHint == true
	not destructive
}

destructive if input.tool.annotations.destructiveHint == true
