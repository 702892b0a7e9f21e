import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Only `infra/` and the mains may touch the clock, timers, randomness, the network and the environment. */
const nondeterminism = {
  'no-restricted-globals': [
    'error',
    ...['setTimeout', 'setInterval', 'setImmediate', 'fetch', 'performance', 'crypto'].map((name) => ({
      name,
      message: 'Take Clock, Timers, Random or Ids from services/runtime.ts.',
    })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'Take Clock from services/runtime.ts.' },
    { object: 'Math', property: 'random', message: 'Take Random from services/runtime.ts.' },
    { object: 'process', property: 'env', message: 'Configuration is parsed in infra/config.' },
    { object: 'process', property: 'hrtime', message: 'Take Clock from services/runtime.ts.' },
  ],
  'no-restricted-syntax': [
    'error',
    {
      selector: "NewExpression[callee.name='Date'][arguments.length=0]",
      message: 'Take Clock from services/runtime.ts.',
    },
    {
      selector: "ImportDeclaration[source.value='node:crypto'] ImportSpecifier[imported.name=/^(random|get[Rr]andom)/]",
      message: 'Take Random or Ids from services/runtime.ts.',
    },
    { selector: 'ImportDeclaration[source.value=/^node:(timers|perf_hooks)/]', message: 'Take Timers or Clock.' },
  ],
};

/** Imports flow one way: events ← services and projections ← infra ← main. */
const forbid = (...patterns) => ({
  'no-restricted-imports': ['error', { patterns: patterns.map(([group, message]) => ({ regex: group, message })) }],
});
const outwards = '(^|/)(infra|test)/';

export default defineConfig(
  { ignores: ['node_modules/', '.tallystick/', 'coverage/'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: false }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-console': 'error',
      eqeqeq: 'error',
      // `query<Row>()` states the shape of what a database returns.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
    },
  },
  {
    files: ['events/**/*.ts'],
    rules: {
      ...nondeterminism,
      ...forbid(
        ['^(?!\\.|zod$|node:crypto$)', 'events/ imports zod and nothing else.'],
        ['(services|projections|infra|test)/', 'events/ imports no other room.'],
      ),
    },
  },
  {
    files: ['services/**/*.ts'],
    ignores: ['services/**/main.ts', 'services/wiring/**'],
    rules: {
      ...nondeterminism,
      ...forbid([`${outwards}|projections/`, 'services/ imports events/ and declares ports.']),
    },
  },
  {
    files: ['projections/**/*.ts'],
    rules: { ...nondeterminism, ...forbid([`${outwards}|services/`, 'projections/ imports events/ only.']) },
  },
  { files: ['infra/**/*.ts'], rules: forbid(['(^|/)test/|/main\\.ts$', 'infra/ implements ports.']) },
  { files: ['services/cli/**', 'services/demo/**', 'test/bench/**'], rules: { 'no-console': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
