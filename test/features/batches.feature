Feature: Batches
  Many changes travel in one call. Each has an outcome of its own, in the order sent; they are made durable
  together.

  Scenario: Outcomes come in order
    Given a counter "stock" at 5
    And a counter "level" at 42
    And a counter "credits" with
      | value   | 70  |
      | initial | 100 |
    When I send a batch
      | change    | counter | number |
      | increment | visits  | 2      |
      | decrement | stock   | 3      |
      | set       | level   | 7      |
      | reset     | credits |        |
    Then the batch's outcomes are
      | counter | from | to  | refused |
      | visits  | 0    | 2   |         |
      | stock   | 5    | 2   |         |
      | level   | 42   | 7   |         |
      | credits | 70   | 100 |         |
    And "visits" is 2
    And "stock" is 2
    And "level" is 7
    And "credits" is 100

  Scenario: Each change sees those before it
    When I send a batch
      | change    | counter | number |
      | increment | visits  | 2      |
      | increment | visits  | 3      |
      | set       | visits  | 50     |
      | decrement | visits  | 1      |
    Then the batch's outcomes are
      | counter | from | to | refused |
      | visits  | 0    | 2  |         |
      | visits  | 2    | 5  |         |
      | visits  | 5    | 50 |         |
      | visits  | 50   | 49 |         |
    And "visits" is 49

  Scenario: A refused change does not stop the rest
    Given a counter "seats" with
      | value   | 9  |
      | maximum | 10 |
    When I send a batch
      | change    | counter | number |
      | increment | visits  | 1      |
      | increment | seats   | 2      |
      | decrement | nobody  | 1      |
      | increment | seats   | 1      |
    Then the batch's outcomes are
      | counter | from | to | refused           |
      | visits  | 0    | 1  |                   |
      | seats   |      |    | ABOVE_MAX         |
      | nobody  |      |    | COUNTER_NOT_FOUND |
      | seats   | 9    | 10 |                   |
    And "seats" is 10

  Scenario: All or nothing, and all of it fits
    When I send a batch, all or nothing
      | change    | counter | number |
      | increment | debit   | 30     |
      | increment | credit  | 30     |
    Then the batch's outcomes are
      | counter | from | to | refused |
      | debit   | 0    | 30 |         |
      | credit  | 0    | 30 |         |

  Scenario: All or nothing, and one change is refused
    Given a counter "account" with
      | value   | 20 |
      | minimum | 0  |
    When I send a batch, all or nothing
      | change    | counter | number |
      | increment | other   | 30     |
      | decrement | account | 30     |
      | increment | other   | 1      |
    Then it is refused with OUT_OF_RANGE, reason BELOW_MIN
      | index     | 1       |
      | name      | account |
      | value     | 20      |
      | min       | 0       |
      | requested | 30      |
    And "account" is still 20
    And there is no counter "other"

  Scenario: All or nothing may pass a bound on the way only if every step fits
    Given a counter "account" with
      | value   | 20 |
      | minimum | 0  |
    When I send a batch, all or nothing
      | change    | counter | number |
      | decrement | account | 30     |
      | increment | account | 30     |
    Then it is refused with OUT_OF_RANGE, reason BELOW_MIN
      | index | 0 |
    And "account" is still 20

  Scenario: An empty batch is refused
    When I send a batch
      | change | counter | number |
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | operations |

  Scenario: A batch with a change that makes no sense is refused whole
    When I send a batch
      | change    | counter | number |
      | increment | visits  | 1      |
      | increment | visits  | 0      |
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | operations[1].increment |
    And there is no counter "visits"
