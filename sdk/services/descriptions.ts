/** Answers of a service to `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`. Source: ADR-32 */

/** Members that all answers have. */
interface Identity {
  /** Name of the service. */
  readonly name: string
  /** Identifies a process. */
  readonly id: string
  /** Version of the service. */
  readonly version: string
  /** Metadata of the service. */
  readonly metadata: Readonly<Record<string, string>>
}

/** The answer to `$SRV.PING`. */
export interface ServicePing extends Identity {
  /** Type of the answer. */
  readonly type: 'io.nats.micro.v1.ping_response'
}

/** The answer to `$SRV.INFO`. */
export interface ServiceInfo extends Identity {
  /** Type of the answer. */
  readonly type: 'io.nats.micro.v1.info_response'
  /** One sentence for people. Empty if there is none. */
  readonly description: string
  /** The requests that the service answers. */
  readonly endpoints: readonly EndpointInfo[]
}

/** A request that a service answers. */
export interface EndpointInfo {
  /** Name of the endpoint. */
  readonly name: string
  /** Subject filter of the requests. */
  readonly subject: string
  /** Queue group. */
  readonly queue_group: string
  /**
   * `spanwire.event`: the name of the event in the contract. `spanwire.request` and `spanwire.reply`: the JSON Schemas, as
   * JSON, where there are some.
   */
  readonly metadata: Readonly<Record<string, string>>
}

/** The answer to `$SRV.STATS`. */
export interface ServiceStats extends Identity {
  /** Type of the answer. */
  readonly type: 'io.nats.micro.v1.stats_response'
  /** Time of the start, or of the last reset, in the format of ISO 8601. */
  readonly started: string
  /** Statistics of each endpoint. */
  readonly endpoints: readonly EndpointStats[]
}

/** Statistics of an endpoint, of one process. */
export interface EndpointStats {
  /** Name of the endpoint. */
  readonly name: string
  /** Subject filter of the requests. */
  readonly subject: string
  /** Queue group. */
  readonly queue_group: string
  /** Number of requests. */
  readonly num_requests: number
  /** Number of requests that were answered with an error. */
  readonly num_errors: number
  /** Code and text of the last error, such as `400:The request is invalid.` Empty if there was none. */
  readonly last_error: string
  /** Time of all requests together, in ns. */
  readonly processing_time: number
  /** Mean time of a request, in ns. */
  readonly average_processing_time: number
}
