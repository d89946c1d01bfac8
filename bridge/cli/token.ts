import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { JWTPayload } from 'jose'
import { codeOrMessage } from '../../sdk/kit/error-text.ts'
import { membersOf } from '../../sdk/kit/kinds.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { type Grant, type SigningKey, signToken } from '../auth/sign-token.ts'
import { createTokenVerifier } from '../auth/token-verifier.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { readNumber } from './connection/connection-options.ts'
import { readInput } from './connection/payload-input.ts'
import { escapeText } from './connection/payload-text.ts'
import { toFilter } from './connection/subject-choice.ts'
import { type ReadToken, readToken } from './connection/token-text.ts'
import { contractOf } from './contract/contract-option.ts'
import { formatDuration } from './terminal/duration.ts'
import { EXIT } from './terminal/exit-code.ts'

interface SignFlags {
  readonly user: string
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
  readonly denyPublish?: readonly string[]
  readonly denySubscribe?: readonly string[]
  readonly expires?: number
  readonly issuer?: string
  readonly audience?: string
  readonly claims?: string
  readonly reply?: boolean
  readonly contract?: string
  readonly secretFile?: string
  readonly privateKeyFile?: string
  readonly algorithm?: string
  readonly keyId?: string
  readonly json?: boolean
}

/** In s. */
const LIFETIME = 300

/** `spanwire token sign|decode`. */
export const addToken: AddCommand = (program, context) => {
  const token = program.command('token').description('sign tokens for a bridge, and show their permissions')
  addSign(token, context)
  token
    .command('decode')
    .description('show the permissions and the end of a token; exits with 1 if it is expired or its signature is wrong')
    .argument('[token]', 'the token or a .creds file as text; @file, - for standard input (default: SPANWIRE_TOKEN)')
    .option('--secret-file <path>', 'check the signature with this secret [AUTH_SECRET]')
    .option('--json', 'one line of JSON')
    .action(async (given: string | undefined, flags: { readonly secretFile?: string; readonly json?: boolean }) => {
      context.exitWith(await decode(given, flags, context))
    })
}

function addSign(token: Command, context: CommandContext): void {
  const list = (flag: string, help: string) =>
    new Option(`--${flag} <filter>`, help).argParser((text: string, previous: readonly string[] = []) => [
      ...previous,
      ...text.split(/[\s,]+/).filter((one) => one !== ''),
    ])
  token
    .command('sign')
    .description('sign a token and print it')
    .requiredOption('--user <name>', 'the user: the claim sub')
    .addOption(list('publish', 'subject filter or event that may be published; repeatable'))
    .addOption(list('subscribe', 'subject filter or event that may be subscribed to; repeatable'))
    .addOption(list('deny-publish', 'filter that may not be published; repeatable'))
    .addOption(list('deny-subscribe', 'filter that may not be subscribed to; repeatable'))
    .addOption(
      new Option('--expires <s>', `how long it is valid, in s (default: ${LIFETIME})`).argParser((text) =>
        readNumber('--expires', text, 1, 10 * 365 * 86_400),
      ),
    )
    .option('--reply', 'may answer each request that it receives, once')
    .option('--issuer <text>', 'the claim iss')
    .option('--audience <text>', 'the claim aud')
    .option('--claims <json>', 'more claims, such as {"org":"acme"}')
    .option('--contract <file>', 'check that the named events are in this contract')
    .option('--secret-file <path>', 'file with the shared secret [AUTH_SECRET, AUTH_SECRET_FILE]')
    .option('--private-key-file <path>', 'file with a private key, PEM (PKCS #8) or JWK; needs --algorithm')
    .option('--algorithm <name>', 'such as ES256')
    .option('--key-id <id>', "the key's id in the JWKS")
    .option('--json', 'one line of JSON: the token and when it ends')
    .action(async (flags: SignFlags) => sign(flags, context))
}

async function sign(flags: SignFlags, { terminal, env }: CommandContext): Promise<void> {
  const contract = flags.contract === undefined ? undefined : await contractOf(flags.contract)
  const toGrants = (names: readonly string[] = []): Array<Grant<object>> =>
    names.map((name) => {
      if (contract && name.includes('{') && !name.includes('{{') && !Object.hasOwn(contract, name))
        throw new SpanwireError('unknown-event', `The contract has no event ${JSON.stringify(name)}.`)
      // `{{claim}}` is for the bridge to fill; `{param}` matches everything.
      return { filter: name.includes('{{') ? checkTemplate(name) : toFilter(name, {}) }
    })
  const expiresIn = flags.expires ?? LIFETIME
  const token = await signToken({
    ...(await signingKey(flags, env)),
    user: flags.user,
    events: {},
    publish: toGrants(flags.publish),
    subscribe: toGrants(flags.subscribe),
    deny: { publish: toGrants(flags.denyPublish), subscribe: toGrants(flags.denySubscribe) },
    ...(flags.reply && { reply: {} }),
    expiresIn,
    ...(flags.issuer !== undefined && { issuer: flags.issuer }),
    ...(flags.audience !== undefined && { audience: flags.audience }),
    ...(flags.claims !== undefined && { claims: readClaims(flags.claims) }),
  })
  const expiresAt = new Date(Date.now() + expiresIn * 1000).toISOString()
  if (flags.json) terminal.out(JSON.stringify({ token, expiresAt }))
  else {
    terminal.out(token)
    terminal.note(terminal.paintNote('dim', `Ends in ${formatDuration(expiresIn * 1000)}, at ${expiresAt}`))
  }
}

function checkTemplate(filter: string): string {
  if (isSubjectFilter(filter.replace(/\{\{[^{}]*\}\}/g, 'claim'))) return filter
  throw new SpanwireError('invalid-subject', `${JSON.stringify(filter)} is not a subject filter with {{claims}}.`)
}

function readClaims(text: string): JWTPayload {
  try {
    const claims: unknown = JSON.parse(text)
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return membersOf(claims)
  } catch {
    // The same error as for JSON that is not an object.
  }
  throw new SpanwireError('invalid-argument', `--claims is ${JSON.stringify(text)}: it must be a JSON object.`)
}

async function signingKey(flags: SignFlags, env: CommandContext['env']): Promise<SigningKey> {
  const { privateKeyFile, algorithm, keyId } = flags
  if (privateKeyFile !== undefined) {
    if (algorithm === undefined)
      throw new SpanwireError('invalid-argument', '--private-key-file needs --algorithm, such as ES256.')
    const text = new TextDecoder().decode(await readInput(`@${privateKeyFile}`)).trim()
    const privateKey = text.startsWith('{') ? JSON.parse(text) : text
    return { privateKey, algorithm, ...(keyId !== undefined && { keyId }) }
  }
  const secret = await readSecret(flags.secretFile, env)
  if (secret !== undefined) return { secret }
  throw new SpanwireError(
    'invalid-argument',
    'No key to sign with: set AUTH_SECRET, or give --secret-file or --private-key-file.',
  )
}

async function readSecret(path: string | undefined, env: CommandContext['env']): Promise<string | undefined> {
  const file = path ?? (env.AUTH_SECRET ? undefined : env.AUTH_SECRET_FILE || undefined)
  if (file === undefined) return env.AUTH_SECRET || undefined
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new SpanwireError(
      'invalid-argument',
      `--secret-file names ${file}, which can't be read (${codeOrMessage(cause)}).`,
      { cause },
    )
  }
}

async function decode(
  given: string | undefined,
  flags: { readonly secretFile?: string; readonly json?: boolean },
  { terminal, env }: CommandContext,
): Promise<number> {
  const text = given === undefined ? env.SPANWIRE_TOKEN : new TextDecoder().decode(await readInput(given))
  if (!text) throw new SpanwireError('invalid-argument', 'No token: give it as an argument, or set SPANWIRE_TOKEN.')
  const token = readToken(text)
  const signature = await checkSignature(text.trim(), token, await readSecret(flags.secretFile, env))
  const isExpired = token.expiresAt !== undefined && token.expiresAt <= Date.now()
  if (flags.json) terminal.out(JSON.stringify({ ...token, signature, isExpired }))
  else for (const line of describe(token, signature, terminal.paint)) terminal.out(line)
  const isGood = !isExpired && signature !== 'wrong' && token.problem === undefined
  return isGood ? EXIT.done : EXIT.failedCheck
}

type Signature = 'valid' | 'wrong' | 'not checked'

async function checkSignature(text: string, { kind }: ReadToken, secret: string | undefined): Promise<Signature> {
  if (secret === undefined || kind !== 'token') return 'not checked'
  const verify = createTokenVerifier({
    secret,
    // Only the signature counts here: an expired token has one as well.
    clockTolerance: Number.MAX_SAFE_INTEGER,
    authorize: () => ({ publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] } }),
  })
  try {
    await verify(text)
    return 'valid'
  } catch (error) {
    if (isSpanwireError(error, 'authentication-failed')) return 'wrong'
    throw error
  }
}

function describe(token: ReadToken, signature: Signature, paint: CommandContext['terminal']['paint']): string[] {
  const { kind, algorithm, user, issuer, audience, issuedAt, notBefore, expiresAt, permissions, problem } = token
  const now = Date.now()
  const at = (time: number) => new Date(time).toISOString()
  const lines: Array<readonly [string, string | undefined]> = [
    ['kind', `${kind}, ${escapeText(algorithm)}`],
    ['user', user === '' ? paint('warn', 'none') : escapeText(user)],
    ['issuer', issuer && escapeText(issuer)],
    ['audience', audience === undefined ? undefined : escapeText([audience].flat().join(', '))],
    ['issued', issuedAt === undefined ? undefined : `${at(issuedAt)}, ${formatDuration(now - issuedAt)} ago`],
    [
      'from',
      notBefore === undefined || notBefore <= now ? undefined : paint('bad', `not valid before ${at(notBefore)}`),
    ],
    ['ends', endOf(expiresAt, now, paint)],
    [
      'signature',
      signature === 'wrong'
        ? paint('bad', 'wrong: another secret signed it')
        : signature === 'valid'
          ? paint('good', 'valid')
          : 'not checked (set AUTH_SECRET to check it)',
    ],
    ['problem', problem === undefined ? undefined : paint('bad', `a bridge refuses it: ${escapeText(problem)}`)],
    ['publish', rulesText(permissions.publish)],
    ['subscribe', rulesText(permissions.subscribe)],
    ['reply', permissions.reply && `${permissions.reply.max} for each request, within ${permissions.reply.ttl} ms`],
  ]
  return lines.flatMap(([name, text]) => (text === undefined ? [] : [`${paint('dim', name.padEnd(10))}${text}`]))
}

function endOf(expiresAt: number | undefined, now: number, paint: CommandContext['terminal']['paint']): string {
  if (expiresAt === undefined) return paint('warn', 'never: it can not be taken back')
  const distance = formatDuration(expiresAt - now)
  const date = new Date(expiresAt).toISOString()
  return expiresAt > now ? `${date}, in ${distance}` : paint('bad', `${date}, expired ${distance} ago`)
}

function rulesText({ allow, deny }: { readonly allow: readonly string[]; readonly deny: readonly string[] }): string {
  const allowed = allow.length > 0 ? allow.join(', ') : 'nothing'
  return escapeText(deny.length > 0 ? `${allowed}; but not ${deny.join(', ')}` : allowed)
}
