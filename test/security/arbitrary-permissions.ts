import fc from 'fast-check'
import type { Permissions, SubjectRules } from '../../bridge/auth/permissions.ts'

/** Few tokens, so that rules and names match often. `a*` and `>b` are literal: a wildcard is a whole token. */
const LITERALS = ['a', 'b', 'c', 'a*', '>b']
const literal = fc.constantFrom('a', 'a', 'b', 'b', 'c', 'a*', '>b')
const first = fc.oneof(
  { weight: 12, arbitrary: literal },
  { weight: 4, arbitrary: fc.constant('*') },
  { weight: 1, arbitrary: fc.constantFrom('_INBOX', '$EDGE') },
)
const further = fc.oneof({ weight: 3, arbitrary: literal }, { weight: 1, arbitrary: fc.constant('*') })

/** A filter of one to four tokens. */
export const arbitraryFilter: fc.Arbitrary<string> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('>') },
  {
    weight: 20,
    arbitrary: fc
      .tuple(first, fc.array(further, { maxLength: 2 }), fc.constantFrom('', '', '.>', '.*'))
      .map(([head, tokens, tail]) => [head, ...tokens].join('.') + tail),
  },
)

// nats-server allows everything without an allow list. In the bridge, an allow list is always present.
const rules: fc.Arbitrary<SubjectRules> = fc.record({
  allow: fc.array(arbitraryFilter, { minLength: 1, maxLength: 4 }),
  deny: fc.array(
    arbitraryFilter.filter((filter) => filter !== '>'),
    { maxLength: 3 },
  ),
})

export const arbitraryPermissions: fc.Arbitrary<Permissions> = fc.record({ publish: rules, subscribe: rules })

/** All subjects of one to three tokens, and some special ones. */
export const everySubject: readonly string[] = [
  ...LITERALS,
  ...LITERALS.flatMap((x) => LITERALS.map((y) => `${x}.${y}`)),
  ...['a', 'b', 'c'].flatMap((x) => ['a', 'b', 'a*'].flatMap((y) => ['a', 'b', '>b'].map((z) => `${x}.${y}.${z}`))),
  ...['a.b.a.b', 'b.b.a.a', 'a.a.a.a.a', '_INBOX', '_INBOX.a', '_INBOX.b.a', '_INBOX.a.b.c', '$EDGE', '$EDGE.a'],
]
