/**
 * Time of a repeated event: an interval in ms (at least 1,000), or a time of the calendar.
 *
 * - `cron`: six fields (second, minute, hour, day of month, month, day of week), or `@hourly`, `@daily`, `@weekly`,
 *   `@monthly`, `@yearly`
 * - `timeZone`: an IANA name such as `Europe/Berlin`. Default UTC
 */
export type Repetition =
  | number
  | string
  | {
      /** Six fields, from second to day of week, or a word such as `@daily`. */
      readonly cron: string
      /** IANA name of the time zone. Default UTC. */
      readonly timeZone?: string
    }

/** When the stream publishes an event. */
export type When =
  | {
      /** A time, as a Date or in ms since 1970. An event of the past is published at once. Requires nats-server 2.12. */
      readonly at: Date | number
      readonly every?: undefined
    }
  | {
      /** A repetition, without end until it is cancelled. Requires nats-server 2.14. */
      readonly every: Repetition
      readonly at?: undefined
    }

/** An event that its stream publishes later, or repeatedly. */
export interface Schedule {
  /** Id of the schedule, for `cancelSchedule`. It is the `id` of the publish, and of an event that is published once. */
  readonly id: string
  /** The stream that keeps the schedule. */
  readonly stream: string
  /** Sequence of the schedule in the stream. */
  readonly seq: number
  /** The stream had this schedule already. */
  readonly duplicate: boolean
  /**
   * Ends the schedule. Resolves when the stream has removed it. Events that were published before remain.
   * @throws SpanwireError (as rejection) the errors of `publish` for an event with a stream
   */
  cancel(): Promise<void>
}

/**
 * First token of subjects that hold schedules: `$SCHEDULE.<stream>.<id>`. Subscriptions do not deliver them.
 * Source: NATS ADR-51.
 */
const FIRST_TOKEN = '$SCHEDULE'

/** The subject of a schedule. Without an id: the filter of all schedules of a stream. */
export function scheduleSubject(stream: string, id = '>'): string {
  return `${FIRST_TOKEN}.${stream}.${id}`
}

/** Whether a message is a schedule, and not an event. */
export function isSchedule(subject: string): boolean {
  return subject.startsWith(`${FIRST_TOKEN}.`)
}
