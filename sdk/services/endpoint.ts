import { type JsonSchema, toJsonSchema } from '../asyncapi/json-schema.ts'
import type { ContractEvent } from '../contract/contract.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import type { EndpointInfo, EndpointStats } from './descriptions.ts'

/** A request of the contract that a service answers, with its counters. */
export class Endpoint {
  readonly event: ContractEvent
  readonly handler: (event: never) => unknown
  readonly info: EndpointInfo
  #requests = 0
  #errors = 0
  #lastError = ''
  /** In ms. */
  #time = 0

  constructor(event: ContractEvent, handler: Endpoint['handler'], info: EndpointInfo) {
    this.event = event
    this.handler = handler
    this.info = info
  }

  /** Counts a request. @param time its duration in ms */
  count(time: number): void {
    this.#requests++
    this.#time += time
  }

  /** Counts an error of a request. */
  fail(code: number, text: string): void {
    this.#errors++
    this.#lastError = `${code}:${text}`
  }

  reset(): void {
    this.#requests = 0
    this.#errors = 0
    this.#lastError = ''
    this.#time = 0
  }

  stats(): EndpointStats {
    const { metadata: _, ...identity } = this.info
    const nanoseconds = Math.round(this.#time * 1e6)
    return {
      ...identity,
      num_requests: this.#requests,
      num_errors: this.#errors,
      last_error: this.#lastError,
      processing_time: nanoseconds,
      average_processing_time: this.#requests === 0 ? 0 : Math.round(nanoseconds / this.#requests),
    }
  }
}

/** Describes an endpoint. Its name has only the characters that ADR-32 allows. */
export function describeEndpoint(
  event: ContractEvent,
  queue: string,
  convert: ((schema: StandardSchema) => JsonSchema | undefined) | undefined,
): EndpointInfo {
  const { name, schema, reply, template } = event
  const schemas = Object.entries({ request: schema, reply }).flatMap(([of, one]) => {
    const text = one && jsonSchemaText(one, name, convert)
    return text === undefined ? [] : [[`spanwire.${of}`, text] as const]
  })
  return {
    name: name.replaceAll(/[^\w-]+/g, '_').replaceAll(/^_+|_+$/g, ''),
    subject: template.filter({}),
    queue_group: queue,
    metadata: { 'spanwire.event': name, ...Object.fromEntries(schemas) },
  }
}

/** A service works without descriptions of its schemas. */
function jsonSchemaText(
  schema: StandardSchema,
  event: string,
  convert: ((schema: StandardSchema) => JsonSchema | undefined) | undefined,
): string | undefined {
  try {
    const found = toJsonSchema(schema, event, convert)
    return found && JSON.stringify(found)
  } catch {
    return undefined
  }
}
