Feature: Exactly once
  A caller that got no answer cannot know whether its change was made. It sends the same request again under the
  same request id, as often as it likes: the change is made once, and every answer is the first one.

  Scenario: The same request id twice counts once
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    Then the answer says it went from 10 to 15
    When I send the same request again
    Then the answer is the first one, marked as a repeat
    And "orders" is 15

  Scenario: The first answer stays, whatever happened since
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And somebody else increments "orders"
    And I send the same request again
    Then the answer is the first one, marked as a repeat
    And the answer leaves the room unsaid
    And "orders" is 16

  Scenario: Another request id counts again
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And I increment "orders" by 5 under the request id "order-2"
    Then the answer says it went from 15 to 20

  Scenario: A request id used for another amount is refused
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And I increment "orders" by 6 under the request id "order-1"
    Then it is refused with INVALID_ARGUMENT, reason REQUEST_ID_REUSED
      | field | amount |
    And "orders" is still 15

  Scenario: A request id used for another kind of change is refused
    Given a counter "orders" at 10
    When I increment "orders" by 5 under the request id "order-1"
    And I decrement "orders" by 5 under the request id "order-1"
    Then it is refused with INVALID_ARGUMENT, reason REQUEST_ID_REUSED
    And "orders" is still 15

  Scenario: A request id belongs to a counter
    When I increment "apples" by 5 under the request id "order-1"
    And I increment "pears" by 7 under the request id "order-1"
    Then the answer says it went from 0 to 7
    And "apples" is 5

  Scenario: A refusal is not remembered
    Given a counter "seats" with
      | value   | 10 |
      | maximum | 10 |
    When I increment "seats" by 1 under the request id "seat-1"
    Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
    Given somebody else decrements "seats"
    When I send the same request again
    Then the answer says it went from 9 to 10

  Scenario: A set under a request id holds its place, even if others changed the counter since
    Given a counter "level" at 1
    When I set "level" to 50 under the request id "set-1"
    And somebody else increments "level"
    And I send the same request again
    Then the answer is the first one, marked as a repeat
    And "level" is 51

  Scenario: A counter is made once, however often its creation is sent
    When I create a counter "seats" under the request id "create-1"
    And I send the same request again
    Then the creation is marked as a repeat
    And "seats" is 0

  Scenario: The same request from many callers at once
    Given a counter "orders" at 0
    When 20 callers at once increment "orders" by 5 under the request id "order-1"
    Then exactly 1 of them is not marked as a repeat
    And "orders" is 5

  Scenario: A batch under a request id is applied once
    Given a counter "seats" with
      | value   | 9  |
      | maximum | 10 |
    When I send a batch under the request id "batch-1"
      | change    | counter | number |
      | increment | apples  | 3      |
      | increment | seats   | 2      |
      | increment | apples  | 4      |
    And I send the same request again
    Then the batch is marked as a repeat, and its outcomes are
      | counter | from | to | refused   |
      | apples  | 0    | 3  |           |
      | seats   |      |    | ABOVE_MAX |
      | apples  | 3    | 7  |           |
    And "apples" is 7
    And "seats" is 9

  Scenario: A batch's request id used for another batch is refused
    When I send a batch under the request id "batch-1"
      | change    | counter | number |
      | increment | apples  | 3      |
    And I send a batch under the request id "batch-1"
      | change    | counter | number |
      | increment | apples  | 4      |
    Then it is refused with INVALID_ARGUMENT, reason REQUEST_ID_REUSED
      | field | operations |
    And "apples" is 3
