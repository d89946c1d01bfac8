/** Subject templates as types. template.ts checks them at run time. */

type Forbidden = '{' | '}' | '*' | '>' | ' '
type IsWord<Text extends string> = Text extends '' | `${string}${Forbidden}${string}` ? false : true

/** A type that no template has. The compiler shows its text. */
type Bad<Template extends string> = `Not a subject template: ${Template}`

/** `Template` if it is a valid subject template, else a type that no string matches. */
export type CheckedTemplate<Template extends string, Rest extends string = Template, Seen = never> = Rest extends ''
  ? Bad<Template>
  : Rest extends `${infer Token}.${infer Tail}`
    ? Token extends `{${infer Open}`
      ? Open extends `${infer Name}}`
        ? IsWord<Name> extends true
          ? Name extends Seen
            ? Bad<Template>
            : CheckedTemplate<Template, Tail, Seen | Name>
          : Bad<Template>
        : // `{rest...}` contains dots. They split it into `{rest` and `..}`.
          Tail extends '..}'
          ? IsWord<Open> extends true
            ? Open extends Seen
              ? Bad<Template>
              : Template
            : Bad<Template>
          : Bad<Template>
      : IsWord<Token> extends true
        ? CheckedTemplate<Template, Tail, Seen>
        : Bad<Template>
    : Rest extends `{${infer Name}}`
      ? IsWord<Name> extends true
        ? Name extends Seen
          ? Bad<Template>
          : Template
        : Bad<Template>
      : IsWord<Rest> extends true
        ? Template
        : Bad<Template>

/** Names of a template's parameters. */
export type ParamName<Template extends string> = Template extends `${string}{${infer Name}}${infer Tail}`
  ? (Name extends `${infer Rest}...` ? Rest : Name) | ParamName<Tail>
  : never

/** A value for each parameter: `{ orderId: string }` for `orders.{orderId}.created`. */
export type Params<Template extends string> = { readonly [Name in ParamName<Template>]: string }

/** A filter: a value or `'*'` for each parameter. Default: `'*'`. */
export type ParamsFilter<Template extends string> = [ParamName<Template>] extends [never]
  ? Readonly<Record<string, never>>
  : { readonly [Name in ParamName<Template>]?: string | undefined }
