import type { Member } from '../../sdk/protocol/presence.ts'

/** Members, or changes, in one message: a channel may have thousands. */
const PAGE = 500

/** Changes, in as many parts as messages are needed for them. */
export function* pagesOfChanges(
  joined: readonly Member[],
  left: readonly string[],
): Generator<{ readonly joined: readonly Member[]; readonly left: readonly string[] }> {
  for (let at = 0; at < Math.max(joined.length, left.length); at += PAGE)
    yield { joined: joined.slice(at, at + PAGE), left: left.slice(at, at + PAGE) }
}

/** Members, in as many parts. */
export function pagesOf(members: readonly Member[]): Array<readonly Member[]> {
  return [...pagesOfChanges(members, [])].map(({ joined }) => joined)
}
