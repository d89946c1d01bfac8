import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { exampleOf } from '../../../../../bridge/cli/page/example.ts'
import { type SnippetOf, snippetFor } from '../../../../../bridge/cli/page/snippets.ts'

describe('the first guess of the playground', () => {
  it.each([
    z.object({ text: z.string(), mood: z.enum(['fine', 'tired']).optional() }),
    z.object({
      total: z.number().min(5).max(9),
      gift: z.boolean(),
      at: z.iso.datetime(),
      id: z.uuid(),
      mail: z.email(),
    }),
    z.object({
      items: z.array(z.object({ sku: z.string().min(3), count: z.int() })).min(1),
      point: z.tuple([z.number(), z.string()]),
    }),
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('a'), n: z.number() }),
      z.object({ kind: z.literal('b') }),
    ]),
    z.object({
      a: z.string().nullable(),
      b: z.union([z.number(), z.string()]),
      c: z.number().gt(3),
      d: z.string().default('x'),
    }),
    z.string().max(3),
    z.null(),
  ])('is accepted by the schema', (schema) => {
    const json = z.toJSONSchema(schema, { io: 'input', target: 'draft-07' })
    expect(schema.safeParse(exampleOf(json)).error).toBeUndefined()
  })
})

describe('the code to paste', () => {
  const of: SnippetOf = {
    event: { name: 'a.{b}', filter: 'a.*', params: [{ name: 'b', isRest: false }], contentType: 'application/json' },
    contract: 'src/events.ts',
    subject: 'a.x',
    filter: 'a.*',
    params: { b: 'x' },
    data: null,
    url: 'http://localhost:8080',
    token: 't',
  }

  it('holds the exact data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const code = snippetFor('TypeScript', { ...of, data })
        const literal = code.slice(
          code.indexOf("bus.publish('a.{b}', { b: 'x' }, ") + "bus.publish('a.{b}', { b: 'x' }, ".length,
          -1,
        )
        // `-0` and `__proto__` are not the same as a literal.
        if (JSON.stringify(data).includes('__proto__')) return
        expect(JSON.stringify(new Function(`return (${literal})`)())).toEqual(JSON.stringify(data))
      }),
    )
  })
})
