import * as z from 'zod/mini'
import { defineEvents, event } from '../sdk/index.ts'

const localTime = z.string().check(z.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d$/))

/**
 * The demo's contract: the publishers and the page share this file, and nothing else.
 * `zod/mini` is zod with a smaller page.
 */
export const events = defineEvents({
  'flights.{origin}.{destination}.departed': event(
    z.object({
      /** When it really left, in the airport's local time. */
      departedAt: localTime,
      /** Minutes late; negative is early. */
      delay: z.number(),
      /** Miles. */
      distance: z.number(),
      /** How this event came to NATS. */
      via: z.enum(['http', 'nats']),
    }),
    // Kept for as long as the page's slider reaches back.
    { stream: 'FLIGHTS' },
  ),
  'chat.{room}.message': z.object({
    name: z.string().check(z.trim(), z.minLength(1), z.maxLength(24)),
    text: z.string().check(z.trim(), z.minLength(1), z.maxLength(280)),
  }),
})

/** The event of a flight that leaves. */
export const DEPARTED = 'flights.{origin}.{destination}.departed'
/** The event of somebody who says something. */
export const MESSAGE = 'chat.{room}.message'
