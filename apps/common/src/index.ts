export { Interrupted, runMain, UsageError } from './main';
export { createProgress, formatRate, formatSeconds } from './progress';
export type { Progress } from './progress';
export { addOptions, checkSettings, missingRows, readmeTable, schemaOf } from './option-table';
export type { OptionSpec, OptionTable, SettingsOf } from './option-table';
export { scheduleNames, schedules } from './schedules';
export { aboveZero, atLeastZero, fraction, kebab, number, oneOf, show, wholeNumber } from './settings';
