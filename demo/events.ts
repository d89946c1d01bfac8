import * as z from 'zod/mini'
import { defineEvents, event } from '../sdk/index.ts'

const localTime = z.string().check(z.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d$/))

/**
 * The demo's contract. Publishers and page share only this file.
 * `zod/mini` makes the page smaller than `zod`.
 */
export const events = defineEvents({
  'flights.{origin}.{destination}.departed': event(
    z.object({
      /** Actual departure in the airport's local time. */
      departedAt: localTime,
      /** Minutes late. Negative values are early. */
      delay: z.number(),
      /** Miles. */
      distance: z.number(),
      /** Path of this event into NATS. */
      via: z.enum(['http', 'nats', 'kafka', 'rabbitmq', 'activemq']),
    }),
    // The stream keeps events for the range of the page's slider.
    { stream: 'FLIGHTS' },
  ),
  'chat.{room}.message': event(
    z.object({
      name: z.string().check(z.trim(), z.minLength(1), z.maxLength(24)),
      text: z.string().check(z.trim(), z.minLength(1), z.maxLength(280)),
    }),
    // The stream keeps the last messages of a room, for visitors that come later.
    { stream: 'CHAT' },
  ),
})

/** Name of the event of a departing flight. */
export const DEPARTED = 'flights.{origin}.{destination}.departed'
/** Name of the event of a chat message. */
export const MESSAGE = 'chat.{room}.message'
/** Chat room and presence channel of all visitors. */
export const ROOM = 'lobby'
/** Number of chat messages that the stream keeps. */
export const MESSAGES_KEPT = 20
