/** The entry `spanwire/log`: a connection whose events of operation go to a logger. */
export type { LogCode, LogEvent, LogLevel, LogOption } from './log-event.ts'
export { type LoggedOptions, logged } from './logged.ts'
