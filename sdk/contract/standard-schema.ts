/**
 * The part of Standard Schema v1 that Spanwire uses. zod, valibot, arktype and others implement it.
 * Source: https://standardschema.dev
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The members of the standard. */
  readonly '~standard': {
    /** Version of the standard. */
    readonly version: 1
    /** Name of the schema library. */
    readonly vendor: string
    /** Validates a value. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** Input and output of the schema, for the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** Result of a validation. */
export type SchemaResult<Output> =
  | {
      /** The schema's output. */
      readonly value: Output
      /** Undefined for valid data. */
      readonly issues?: undefined
    }
  | {
      /** Problems of the data. */
      readonly issues: ReadonlyArray<SchemaIssue>
    }

/** One problem that a schema found. */
export interface SchemaIssue {
  /** The problem, in words. */
  readonly message: string
  /** Path to the value: keys, or objects with a `key`. */
  readonly path?: ReadonlyArray<unknown> | undefined
}

/** The input type of a schema. */
export type InputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input']
/** The output type of a schema. */
export type OutputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output']
