/** A token or block that does not have the form of `docs/reference/token.md`. Its message never quotes a tag. */
export class TokenError extends Error {
  override readonly name = "TokenError";
}
