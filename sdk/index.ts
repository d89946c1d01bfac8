/**
 * Spanwire's client: typed events over NATS subjects, for browsers, Deno, Bun, Node and edge functions.
 */

export { type BusOptions, type ConnectOptions, connect } from './connect.ts'
export type { BatchAck, BatchEvent, BatchEventOptions, BatchOptions, BatchProblem } from './contract/batch.ts'
export type {
  Bus,
  BusStatus,
  EventHandler,
  EventOf,
  Handle,
  Latest,
  LatestOptions,
  OnOptions,
  PublishOptions,
  Removal,
  Replaying,
  ReplayOptions,
  RequestOptions,
  Responder,
  StartFrom,
  StreamAck,
  StreamEventName,
  StreamHandle,
  StreamOnOptions,
  StreamPublishOptions,
  StreamSubscribeOptions,
  StreamSubscription,
  SubscribeOptions,
  Subscription,
} from './contract/bus.ts'
export type { Codec } from './contract/codec.ts'
export { defineEvents, type EventName, type Events } from './contract/contract.ts'
export { type CursorStore, localStorageCursors } from './contract/cursor-store.ts'
export {
  bytes,
  type DataInput,
  type DataOutput,
  type EventDefinition,
  type EventEntry,
  type EventOptions,
  event,
  json,
  type ReplyInput,
  type ReplyOutput,
  type StreamName,
  type StreamOf,
} from './contract/event.ts'
export type { EventHeaders } from './contract/event-headers.ts'
export type { Gap, SeqRange } from './contract/gap.ts'
export type { ReceivedEvent } from './contract/received-event.ts'
export type { RemovalReason } from './contract/removal.ts'
export type { Repetition, Schedule, When } from './contract/schedule.ts'
export type { InputOf, OutputOf, SchemaIssue, SchemaResult, StandardSchema } from './contract/standard-schema.ts'
export type { ForgetOptions, ScheduleOptions, StreamMethods } from './contract/stream-methods.ts'
export type { CheckedTemplate, ParamName, Params, ParamsFilter } from './contract/template-types.ts'
export type { UpgradeSteps } from './contract/version-types.ts'
export type { BackoffOptions } from './kit/backoff.ts'
export type { OutboxOptions, OutboxOutcome } from './outbox/outbox.ts'
export type { OutboxEntry, OutboxStore } from './outbox/outbox-store.ts'
export type { JoinOptions, Presence, PresenceChange, PresenceOptions, PresenceSignal } from './presence/presence.ts'
export type { OfflineOptions } from './transport/outbound.ts'
export type { ShareOptions } from './transport/shared/share.ts'
export type { TokenSource } from './transport/token.ts'
export { tokenFrom } from './transport/token-from.ts'
export type * from './transport/transport.ts'
export { webSocket } from './transport/websocket/websocket.ts'
export type { WebSocketOptions } from './transport/websocket/websocket-options.ts'
export { isSpanwireError, SpanwireError, type SpanwireErrorCode } from './wire/errors.ts'
export type { HeaderFields } from './wire/header-fields.ts'
export type { Member } from './wire/presence-frames.ts'
