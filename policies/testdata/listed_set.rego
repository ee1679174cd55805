# Must not load: `may_list` answers for one name, it is no set of names.
package intentgate

decision := {"decision": "allow"} if input.call.name in may_list

may_list contains input.listed[_]

may_list contains "pay_invoice"
