import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { createTransform } from '../../../../bridge/broker/jetstream/subject-transform.ts'
import { restoreEvent, toTransform } from '../../../../sdk/consumer/partition-subjects.ts'
import { findEvent } from '../../../../sdk/contract/contract.ts'
import { defineEvents } from '../../../../sdk/index.ts'
import { encodeHeaders, parseHeaders } from '../../../../sdk/wire/headers.ts'

const events = defineEvents({
  'a.{tenant}.{id}.paid': z.object({}),
  'b.{id}.of.{tenant}.{rest...}': z.object({}),
})
const generation = { number: 3, count: 16 }
const transform = (name: string, params: Record<string, string>, laneBy: string[]) => {
  const event = findEvent(events, name)
  return toTransform(event, event.template.filter(params), laneBy, generation)
}

it('adds the generation and the partition by the params of the order', () => {
  expect(transform('a.{tenant}.{id}.paid', {}, ['id'])).toEqual({
    src: 'a.*.*.paid',
    dest: '3.{{partition(16,2)}}.a.{{wildcard(1)}}.{{wildcard(2)}}.paid',
  })
  // A fixed value makes no difference.
  expect(transform('a.{tenant}.{id}.paid', { tenant: 't' }, ['tenant', 'id'])).toEqual({
    src: 'a.t.*.paid',
    dest: '3.{{partition(16,1)}}.a.t.{{wildcard(1)}}.paid',
  })
  expect(transform('a.{tenant}.{id}.paid', { tenant: 't', id: '7' }, ['id'])).toEqual({
    src: 'a.t.7.paid',
    dest: '3.0.a.t.7.paid',
  })
  expect(() => transform('b.{id}.of.{tenant}.{rest...}', {}, ['rest'])).toThrow(/more than one token/)
})

it('gives events with equal params one partition, and is undone by restoreEvent', () => {
  const token = fc.stringMatching(/^[a-zA-Z0-9é_-]{1,8}$/)
  const laneBy = ['tenant', 'id']
  const [a, b] = ['a.{tenant}.{id}.paid', 'b.{id}.of.{tenant}.{rest...}'].map((name) => {
    const { src, dest } = transform(name, {}, laneBy)
    return createTransform(src, dest) as (subject: string) => string
  })
  fc.assert(
    fc.property(token, token, token, (tenant, id, rest) => {
      const subjects = [`a.${tenant}.${id}.paid`, `b.${id}.of.${tenant}.${rest}.x`] as const
      const copies = [a?.(subjects[0]) ?? '', b?.(subjects[1]) ?? ''] as const
      expect(copies[0].split('.').slice(0, 2)).toEqual(copies[1].split('.').slice(0, 2))
      const headerBlock = encodeHeaders([
        ['Own', 'x'],
        ['Nats-Stream-Source', `S 12 f d ${subjects[1]}`],
      ])
      const message = { seq: 4, time: 5, pending: 0, payload: new Uint8Array(), headerBlock, subject: copies[1] }
      const restored = restoreEvent(message)
      expect(restored).toMatchObject({ subject: subjects[1], seq: 12, time: 5 })
      expect(parseHeaders(restored.headerBlock as Uint8Array).fields).toEqual([['Own', 'x']])
    }),
  )
})
