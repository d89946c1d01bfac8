/** The entry `spanwire/services`: typed services that NATS tools discover. Source: ADR-32, the NATS service API */
import type { Responder } from '../contract/bus.ts'
import type { Events } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import type { ServiceStats } from './descriptions.ts'
import { RunningService } from './running-service.ts'

export type { EndpointInfo, EndpointStats, ServiceInfo, ServiceStats } from './descriptions.ts'
export { type FindOptions, findServices } from './find-services.ts'

/** The contract and the connection of a service. */
export interface ServiceSource<Contract> {
  /** The contract, as `defineEvents` returned it. */
  readonly events: Contract
  /** A transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of a NATS client. It stays open. */
  readonly connection: Transport | NatsConnectionLike
}

/** The functions of a service: a responder for each request of the contract that it answers. */
export type Implementation<Contract> = {
  readonly [Name in keyof Contract & string]?: Responder<Contract, Name>
}

/** Options of {@link serve}. */
export interface ServiceOptions {
  /** Name of the service: letters, digits, `-` and `_`. All processes with the same name share the requests. */
  readonly name: string
  /** Version of the service, by semver.org, such as `1.0.0`. */
  readonly version: string
  /** One sentence for people. Default: none. */
  readonly description?: string
  /** Metadata of the service, for tools. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Queue group of the requests. Default `q`, as in NATS's own clients. */
  readonly queue?: string
  /**
   * Converts a schema to JSON Schema for the metadata of an endpoint, such as valibot's `toJsonSchema`. Default: Standard
   * JSON Schema (zod from 4.2, arktype). The metadata of a schema that cannot be converted has none.
   */
  readonly toJsonSchema?: (schema: StandardSchema) => Readonly<Record<string, unknown>> | undefined
  /** Called with errors of a responder. Default: `console.error`. */
  readonly onError?: (error: unknown, event: ReceivedEvent) => void
  /** Called once if the service ends for another reason than `drain`, such as `permission-denied`. Default: `console.error`. */
  readonly onEnd?: (error: Error) => void
}

/** A service in this process, as {@link serve} returns it. */
export interface Service extends AsyncDisposable {
  /** Identifies this process among those of the service. */
  readonly id: string
  /**
   * Resolves when requests and discovery reach this process. Rejects with `permission-denied` or `connection-closed`. You do
   * not have to handle its rejection.
   */
  readonly ready: Promise<void>
  /** Returns the statistics of this process, as the answer to `$SRV.STATS`. */
  stats(): ServiceStats
  /** Sets all counters to zero. */
  reset(): void
  /**
   * Ends the service in this process. Requests that have begun are answered. NATS sends new ones to other processes. The
   * connection stays open. Idempotent.
   */
  drain(): Promise<void>
}

/**
 * Serves requests of a contract as a NATS service: other processes of the same name share the requests, and the command
 * `nats service` and other tools find it, with its schemas and statistics. Start more processes for more capacity.
 *
 * Clients call it by `bus.request`. Invalid data is answered with code 400, an error of a responder with code 500.
 * Requires permission to subscribe to the subjects of the requests and to `$SRV.>`, and reply permissions (`resp` in the
 * token of a bridge, `allow_responses` at nats-server).
 *
 * @example
 *     const implementation = { 'quotes.{symbol}.get': ({ params }) => ({ price: prices[params.symbol] }) }
 *     const service = serve({ events, connection }, implementation, { name: 'quotes', version: '1.0.0' })
 *     process.once('SIGTERM', () => service.drain())
 * @throws SpanwireError `unknown-event`, `invalid-argument`
 */
export function serve<Contract extends Events>(
  { events, connection }: ServiceSource<Contract>,
  implementation: Implementation<Contract>,
  options: ServiceOptions,
): Service {
  // The implementation does not have the types of the contract.
  const responders = Object.entries(implementation) as Array<[string, (event: ReceivedEvent) => unknown]>
  return new RunningService({ events, transport: toTransport(connection) }, responders, options)
}
