# The Inspector's command line. Arguments are what it is to do, for example --method tools/list, and --protocol-era.
# [connect]
mcp-inspector --cli "$URL" --transport http --header "Authorization: Bearer $TOKEN" "$@"
# [/connect]
