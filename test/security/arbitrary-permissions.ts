import fc from 'fast-check'
import type { Permissions, SubjectRules } from '../../bridge/auth/permissions.ts'

/** Few tokens, so that rules and names meet often. `a*` and `>b` are literal: only a whole token is a wildcard. */
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

// nats-server reads no allow list at all as "everything"; here an allow list is always there, as in the bridge.
const rules: fc.Arbitrary<SubjectRules> = fc.record({
  allow: fc.array(arbitraryFilter, { minLength: 1, maxLength: 4 }),
  deny: fc.array(
    arbitraryFilter.filter((filter) => filter !== '>'),
    { maxLength: 3 },
  ),
})

export const arbitraryPermissions: fc.Arbitrary<Permissions> = fc.record({ publish: rules, subscribe: rules })

/** Every subject of one to three tokens, and some that are special. */
export const everySubject: readonly string[] = [
  ...LITERALS,
  ...LITERALS.flatMap((x) => LITERALS.map((y) => `${x}.${y}`)),
  ...['a', 'b', 'c'].flatMap((x) => ['a', 'b', 'a*'].flatMap((y) => ['a', 'b', '>b'].map((z) => `${x}.${y}.${z}`))),
  ...['a.b.a.b', 'b.b.a.a', 'a.a.a.a.a', '_INBOX', '_INBOX.a', '_INBOX.b.a', '_INBOX.a.b.c', '$EDGE', '$EDGE.a'],
]
