import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayPublish, mayReceive, maySubscribe, type Permissions } from '../../../../bridge/auth/permissions.ts'
import { isSubsetFilter, matchesFilter } from '../../../../sdk/wire/subject.ts'

const permissions = (
  publish: { allow?: string[]; deny?: string[] },
  subscribe: { allow?: string[]; deny?: string[] } = {},
): Permissions => ({
  publish: { allow: [], deny: [], ...publish },
  subscribe: { allow: [], deny: [], ...subscribe },
})

describe('permissions', () => {
  it('deny by default', () => {
    const nothing = permissions({})
    expect(mayPublish(nothing, 'a')).toBe(false)
    expect(maySubscribe(nothing, 'a')).toBe('refused')
  })

  it('prefer deny over allow', () => {
    const p = permissions({ allow: ['orders.>'], deny: ['orders.*.secret'] }, { allow: ['>'], deny: ['secret.>'] })
    expect(mayPublish(p, 'orders.1.created')).toBe(true)
    expect(mayPublish(p, 'orders.1.secret')).toBe(false)
    expect(maySubscribe(p, 'secret.x')).toBe('refused')
    expect(maySubscribe(p, 'secret.>')).toBe('refused')
  })

  it('reject a filter that only overlaps an allowed one', () => {
    const p = permissions({}, { allow: ['orders.*'] })
    expect(maySubscribe(p, 'orders.1')).toBe('allowed')
    expect(maySubscribe(p, 'orders.*')).toBe('allowed')
    expect(maySubscribe(p, 'orders.>')).toBe('refused')
    expect(maySubscribe(p, '*.1')).toBe('refused')
  })

  it('withhold denied messages from a broader subscription', () => {
    const p = permissions({}, { allow: ['orders.>'], deny: ['orders.secret.>'] })
    expect(maySubscribe(p, 'orders.>')).toBe('withheld')
    expect(maySubscribe(p, 'orders.public.>')).toBe('allowed')
    expect(mayReceive(p, 'orders.secret.1')).toBe(false)
    expect(mayReceive(p, 'orders.public.1')).toBe(true)
  })

  it.each(['_INBOX.>', '_INBOX.*', '_INBOX.*.*', '_INBOX.*.x'])(
    'reject the filter %s, which matches other inboxes',
    (filter) => {
      expect(maySubscribe(permissions({}, { allow: ['>'] }), filter)).toBe('refused')
    },
  )

  it.each(['>', '*.>', '*.*', '*.abc.*'])('withhold messages to inboxes from %s', (filter) => {
    const p = permissions({}, { allow: ['>'] })
    expect(maySubscribe(p, filter)).toBe('withheld')
    expect(mayReceive(p, '_INBOX.abc.1')).toBe(false)
  })

  it('allow an inbox under a literal token without a permission', () => {
    expect(maySubscribe(permissions({}), '_INBOX.k3f9.*')).toBe('allowed')
    expect(maySubscribe(permissions({}), '_INBOX.k3f9.>')).toBe('allowed')
  })

  it('withhold all subjects that the same rules reject for a publish', () => {
    const token = fc.constantFrom('a', 'b', 'c', '*')
    const filter = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, tail]) => [...tokens, ...(tail ? ['>'] : [])].join('.'))
    const subject = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((tokens) => tokens.join('.'))
    fc.assert(
      fc.property(fc.array(filter), fc.array(filter), filter, subject, (allow, deny, wanted, sent) => {
        const p = permissions({}, { allow, deny })
        const verdict = maySubscribe(p, wanted)
        if (verdict === 'refused' || !matchesFilter(wanted, sent)) return
        const delivered = verdict === 'allowed' || mayReceive(p, sent)
        const permitted =
          allow.some((rule) => isSubsetFilter(wanted, rule)) && !deny.some((rule) => matchesFilter(rule, sent))
        expect(delivered).toBe(permitted)
      }),
    )
  })
})
