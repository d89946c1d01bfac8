import type { Member } from '../../sdk/wire/presence-frames.ts'

/** Members or changes in one message. A channel may have thousands. */
const PAGE = 500
/** JSON of members in one message, in bytes. NATS takes 1 MiB per message. A larger member is sent alone. */
const PAGE_BYTES = 256 * 1024

const encoder = new TextEncoder()

/** Splits changes into messages. */
export function* pagesOfChanges(
  joined: readonly Member[],
  left: readonly string[],
): Generator<{ readonly joined: readonly Member[]; readonly left: readonly string[] }> {
  const pages = pagesOf(joined)
  for (let i = 0; i < Math.max(pages.length, left.length / PAGE); i++)
    yield { joined: pages[i] ?? [], left: left.slice(i * PAGE, (i + 1) * PAGE) }
}

/** Splits members into messages. */
export function pagesOf(members: readonly Member[]): Array<readonly Member[]> {
  const pages: Member[][] = []
  let page: Member[] = []
  let bytes = 0
  for (const member of members) {
    const size = sizeOf(member)
    if (page.length === PAGE || (page.length > 0 && bytes + size > PAGE_BYTES)) {
      pages.push(page)
      page = []
      bytes = 0
    }
    page.push(member)
    bytes += size
  }
  return page.length > 0 ? [...pages, page] : pages
}

const sizes = new WeakMap<Member, number>()

/** Size as JSON, in bytes. A number may be longer there than the client wrote it. */
function sizeOf(member: Member): number {
  const known = sizes.get(member)
  if (known !== undefined) return known
  const size = encoder.encode(JSON.stringify(member)).length
  sizes.set(member, size)
  return size
}
